"""Print every event of the account, for ever: none is missed or printed twice, not even when the program was away.

The number of the last event is kept in a file; the next run goes on from there.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from api.client import OrderClient
from api.schemas import AccountEventMessage


async def consume(client: OrderClient, position: Path) -> AsyncGenerator[AccountEventMessage, None]:
    """The events after the position in the file, which moves once the caller comes back for the next one.

    One whose work was cut short is therefore seen again: do it under the event's `account_seq`.
    """
    after = await asyncio.to_thread(_kept, position)
    async with contextlib.aclosing(client.events(after)) as events:
        async for event in events:
            yield event
            await asyncio.to_thread(_keep, position, event.account_seq)


def _kept(position: Path) -> int:
    return int(position.read_text()) if position.exists() else 0


def _keep(position: Path, account_seq: int) -> None:
    # In one step: a program that dies here leaves the old number or the new one.
    fresh = position.with_suffix(".new")
    fresh.write_text(str(account_seq))
    fresh.replace(position)


async def main() -> None:
    """Run until interrupted."""
    url = os.environ.get("ORDER_ENGINE_API_URL", "http://127.0.0.1:8080")
    async with (
        OrderClient(url, os.environ.get("ORDER_ENGINE_API_KEY")) as client,
        contextlib.aclosing(consume(client, Path("account-seq.txt"))) as events,
    ):
        async for event in events:
            print(event.account_seq, event.order_id, event.status, event.reason or "", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
