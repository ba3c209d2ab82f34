"""Tables on a terminal, and whole lines in a pipe."""

import sys
from collections.abc import Iterable, Sequence

# Wide enough for an order id, a signature and their neighbours; a pipe has no edge to wrap at.
_PIPE_WIDTH = 400

_ID_LENGTH = 36

# What a cell may say that deserves a colour, on a terminal that has some.
_COLOURS = {
    "confirmed": "green",
    "canceled": "yellow",
    "expired": "yellow",
    "failed": "red",
    "rejected": "red",
    "pending_cancel": "yellow",
}


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str] | None = None) -> None:
    """Print rows in aligned columns. What does not fit a terminal is folded, never cut: ids have to be copied."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=header is not None)
    content = list(rows)
    titles = header or [""] * max(map(len, content), default=0)
    for number, title in enumerate(titles):
        cells = [row[number] for row in content if number < len(row)]
        table.add_column(title, overflow="fold", header_style="bold", min_width=_least_width(cells))
    for row in content:
        table.add_row(*(Text(cell, _COLOURS.get(cell.split(" ", 1)[0], "")) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


def _least_width(cells: Sequence[str]) -> int:
    """Room for single words as long as an id, so that the columns beside them are folded and not they."""
    return max((len(cell) for cell in cells if " " not in cell and len(cell) <= _ID_LENGTH), default=0)


def terminal_width() -> int:
    """Columns of the terminal, or enough for anything where there is none."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if sys.stdout.isatty() else _PIPE_WIDTH
