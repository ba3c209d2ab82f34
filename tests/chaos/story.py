"""Everything that is known of one order and of the stack it lived in, for whoever has to find out what went wrong."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType

from tests.chaos.facts import rows, temporal
from tests.e2e.stack import Stack
from workflows.domain.lifecycle import TERMINAL

_LOG_LINES = 40
_LOG_TAIL = 200_000
_PATIENCE = 10.0


async def of_order(stack: Stack, order_id: str) -> str:
    """Row, events, attempts, history and chain of an order, and what the logs say of it."""
    parts = [
        ("order", _rows(stack, "SELECT * FROM orders WHERE id = %s", order_id)),
        ("events", _rows(stack, "SELECT * FROM order_events WHERE order_id = %s ORDER BY seq", order_id)),
        ("attempts", _rows(stack, "SELECT * FROM swap_attempts WHERE order_id = %s ORDER BY attempt", order_id)),
        ("chain", _chain(stack, order_id)),
        ("workflow", _history(stack, order_id)),
    ]
    told = [f"===== order {order_id}"]
    for name, part in parts:
        try:
            text = await asyncio.wait_for(part, _PATIENCE)
        except Exception as error:
            text = f"cannot be told: {type(error).__name__}: {error}"
        told += [f"--- {name}", text]
    for log in sorted((stack.data_dir / "logs").glob("*.log")):
        if lines := [line for line in _tail(log) if order_id in line]:
            told += [f"--- {log.name}, of this order", *lines[-_LOG_LINES:]]
    return "\n".join(told)


async def of_open_orders(stack: Stack, most: int = 3) -> str:
    """The stories of some orders that have not ended."""
    query = "SELECT id FROM orders WHERE NOT status = ANY(%s) LIMIT %s"
    try:
        found = await asyncio.wait_for(rows(stack, query, sorted(TERMINAL), most), _PATIENCE)
    except Exception as error:
        return f"the database cannot be read: {type(error).__name__}: {error}"
    return "\n".join([await of_order(stack, str(row["id"])) for row in found]) or "every stored order has ended"


def of_stack(stack: Stack) -> str:
    """What `up` said, and the ends of all logs."""
    told = ["===== order-engine up", *_tail(stack.said)[-_LOG_LINES:]]
    for log in sorted((stack.data_dir / "logs").glob("*.log")):
        told += [f"--- {log.name}", *_tail(log)[-_LOG_LINES:]]
    return "\n".join(told)


async def _rows(stack: Stack, query: str, *parameters: Any) -> str:
    found = await rows(stack, query, *parameters)
    hidden = {"transaction", "terms"}
    return _lines([{key: value for key, value in row.items() if key not in hidden} for row in found])


async def _chain(stack: Stack, order_id: str) -> str:
    told = []
    for row in await rows(stack, "SELECT attempt, signature FROM swap_attempts WHERE order_id = %s", order_id):
        answer = await stack.ask_chain("getSignatureStatuses", [row["signature"]], {"searchTransactionHistory": True})
        told.append({"attempt": row["attempt"], "slot now": answer["context"]["slot"], "status": answer["value"][0]})
    return _lines(told)


async def _history(stack: Stack, order_id: str) -> str:
    handle = (await temporal(stack)).get_workflow_handle(f"order-{order_id}")
    described = (await handle.describe()).raw_description
    lines = [f"{described.workflow_execution_info}"]
    lines += [f"pending activity {pending}" for pending in described.pending_activities]
    lines += [f"pending task {described.pending_workflow_task}"]
    async for event in handle.fetch_history_events():
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        lines.append(f"{event.event_time.ToJsonString()} {event.event_id:>3} {name}")
    return "\n".join(lines)


def _lines(found: Sequence[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(each, default=str) for each in found) or "nothing"


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_TAIL))
        return file.read().decode(errors="replace").splitlines()
