"""Tables on a terminal, and whole lines in a pipe."""

import sys
from collections.abc import Iterable, Sequence

# Wide enough for an order id, a signature and their neighbours; a pipe has no edge to wrap at.
_PIPE_WIDTH = 400


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str] | None = None) -> None:
    """Print rows in aligned columns. What does not fit a terminal is folded, never cut: ids have to be copied."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=header is not None)
    content = list(rows)
    for title in header or [""] * max(map(len, content), default=0):
        table.add_column(title, overflow="fold")
    for row in content:
        table.add_row(*(_plain(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


def _plain(cell: str) -> str:
    from rich.markup import escape

    return escape(cell)
