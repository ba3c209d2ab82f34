"""Pools named in a file: the engine's own choice instead of everything that the chain holds.

A `.toml` file holds `pools`, a list of addresses or of tables with `address` and, if there is one, `lookup_table`.
Any other file holds one address per line, after it on the same line its lookup table if there is one; `#` begins a
comment. Which kind of pool an address is follows from the account's owner.
"""

import asyncio
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from solders.pubkey import Pubkey

from activities.finding.source import Found
from workflows.domain.money import Token

# What stands at a place of the file: its address and lookup table, as written.
_Entry = tuple[str, object, object]


class FileSource:
    """The pools of a file, read anew each time; an entry that is no address is a problem, the others count."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def find(self, tokens: Sequence[Token]) -> Found:
        """What the file names, of whatever pair."""
        return await asyncio.to_thread(read_pool_file, self._path)


def read_pool_file(path: Path) -> Found:
    """The pools of a file; what is wrong with it is in `problems`, with file and place."""
    try:
        text = path.read_text()
        entries = list(_of_toml(text) if path.suffix == ".toml" else _of_lines(text))
    except (OSError, ValueError) as error:
        return Found({}, (f"pool file {path}: {error}",))
    pools: dict[Pubkey, Pubkey | None] = {}
    problems = []
    for place, address, lookup_table in entries:
        try:
            pools[_pubkey(address)] = None if lookup_table is None else _pubkey(lookup_table)
        except ValueError as error:
            problems.append(f"pool file {path}, {place}: {error}")
    return Found(pools, tuple(problems))


def _of_lines(text: str) -> Iterator[_Entry]:
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if len(words) > 2:
            raise ValueError(f"line {number}: one pool per line, and its lookup table if it has one")
        if words:
            yield f"line {number}", words[0], words[1] if len(words) == 2 else None


def _of_toml(text: str) -> Iterator[_Entry]:
    entries: Any = tomllib.loads(text).get("pools")
    if not isinstance(entries, list):
        raise ValueError("there is no list named pools")
    for number, entry in enumerate(entries, start=1):
        table = entry if isinstance(entry, dict) else {"address": entry}
        yield f"pool {number}", table.get("address"), table.get("lookup_table")


def _pubkey(text: object) -> Pubkey:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not an address")
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an address") from None
