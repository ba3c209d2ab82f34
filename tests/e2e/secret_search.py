"""Look for secrets in everything that a running stack writes, keeps or answers, in every form that bytes take."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import psycopg
from psycopg import sql
from solders.keypair import Keypair
from temporalio.client import Client

from deploy.local import state
from deploy.local.postgres import libpq_url
from deploy.localnet.base58 import encode

# Where to look, and what stands there.
Place = tuple[str, bytes]


def forms(secret: bytes) -> Iterator[bytes]:
    """The secret as anybody may have written it: raw, base58, hex, base64 at each offset in other bytes, as numbers."""
    yield secret
    yield encode(secret).encode()
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield repr(secret)[2:-1].encode()
    for before in range(3):
        # Within other bytes the first and last characters mix in what stands beside the secret.
        text = base64.b64encode(bytes(before) + secret)
        inside = text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield inside
        yield inside.replace(b"+", b"-").replace(b"/", b"_")


def of_keypair(keypair: Keypair) -> tuple[bytes, bytes]:
    """What must not be seen: the key file's 64 bytes, and the 32 from which they follow."""
    return bytes(keypair), bytes(keypair)[:32]


class Search:
    """The secrets by name, ready to be looked for."""

    def __init__(self, secrets: Mapping[str, tuple[bytes, ...]]) -> None:
        self._needles = {name: {form for part in parts for form in forms(part)} for name, parts in secrets.items()}
        self._numbers = {
            name: [re.compile(rb"\s*,\s*".join(b"%d" % byte for byte in part)) for part in parts]
            for name, parts in secrets.items()
        }

    def found(self, content: bytes) -> set[str]:
        """The names of the secrets that stand in the content, in whatever form."""
        plain = {name for name, needles in self._needles.items() if any(needle in content for needle in needles)}
        listed = {name for name, lists in self._numbers.items() if any(numbers.search(content) for numbers in lists)}
        return plain | listed


async def places(data_dir: Path, api: str, orders: list[str]) -> AsyncIterator[Place]:
    """Everything of a running stack that may be seen by others than the owner of the keys."""
    found = state.read(data_dir)
    assert found is not None
    async for place in _histories(found.environment["TEMPORAL_ADDRESS"]):
        yield place
    async for place in _tables(found.environment["ORDER_ENGINE_DATABASE_URL"]):
        yield place
    async for place in _answers(api, orders):
        yield place
    for place in _files(data_dir):
        yield place
    for process in psutil.process_iter():
        try:
            yield f"command line of {process.pid}", "\0".join(process.cmdline()).encode()
        except psutil.Error:
            continue


def _files(data_dir: Path) -> Iterator[Place]:
    for path in [data_dir.with_suffix(".out"), *data_dir.rglob("*")]:
        # The keys themselves are where they belong; what a server removes in this moment holds nothing any more.
        if path.parent != data_dir / "localnet" / "wallets" and path.is_file():
            with suppress(FileNotFoundError):
                yield f"file {path.name}", path.read_bytes()


async def _histories(address: str) -> AsyncIterator[Place]:
    client = await Client.connect(address)
    async for execution in client.list_workflows():
        history = await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
        yield f"history {execution.id}", b"".join(event.SerializeToString() for event in history.events)
        yield f"history {execution.id} as JSON", history.to_json().encode()


async def _tables(url: str) -> AsyncIterator[Place]:
    async with await psycopg.AsyncConnection.connect(libpq_url(url)) as connection:
        names = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in await names.fetchall():
            rows = await connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))
            yield f"table {name}", "\n".join(row for (row,) in await rows.fetchall()).encode()


async def _answers(api: str, orders: list[str]) -> AsyncIterator[Place]:
    paths = ["/openapi.json", "/api/orders", "/api/tokens", "/healthz", "/readyz", "/metrics"]
    paths += [f"/api/orders/{order}{page}" for order in orders for page in ("", "/events", "/attempts", "/workflow")]
    async with httpx.AsyncClient(base_url=api, timeout=30) as client:
        for path in paths:
            yield f"answer {path}", (await client.get(path)).content


async def seen(search: Search, found: AsyncIterator[Place]) -> dict[str, set[str]]:
    """Where each secret stands, by its name."""
    where: dict[str, set[str]] = {}
    async for place, content in found:
        for name in await asyncio.to_thread(search.found, content):
            where.setdefault(name, set()).add(place)
    return where
