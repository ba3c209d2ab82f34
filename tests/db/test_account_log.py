"""The log of an account: one number per event, none left out, in the order of commits."""

import asyncio

from db.account_log import AccountLog
from db.database import Database
from db.orders import OrderRepository
from tests.samples import first_events, order_event, order_terms
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms


def of(account: str) -> OrderTerms:
    return order_terms().model_copy(update={"account": account})


async def read(database: Database, account: str, page: int = 500) -> list[tuple[int, str, int]]:
    log, found = AccountLog(database), []
    while True:
        events = await log.after(account, found[-1][0] if found else 0, page)
        if not events:
            return found
        found += [(each.account_seq, each.terms.order_id, each.event.seq) for each in events]


async def test_events_of_all_orders_of_the_account_are_numbered(database: Database):
    store, (first, second), other = OrderRepository(database), (of("desk"), of("desk")), of("other")
    for terms in (first, second, other):
        await store.create_order(terms, first_events())
    await store.append_event(first.order_id, order_event(3, Status.BUILDING))
    ids = [first.order_id, first.order_id, second.order_id, second.order_id, first.order_id]
    assert await read(database, "desk", page=2) == list(zip(range(1, 6), ids, [1, 2, 1, 2, 3], strict=True))
    assert await read(database, "other") == [(1, other.order_id, 1), (2, other.order_id, 2)]
    assert await AccountLog(database).positions(["desk", "other", "nobody"]) == {"desk": 5, "other": 2}


async def test_a_repeated_write_takes_no_number(database: Database):
    store, terms = OrderRepository(database), of("desk")
    for _ in range(3):
        await store.create_order(terms, first_events())
        await store.append_event(terms.order_id, order_event(3, Status.FAILED))
        await store.append_event(terms.order_id, order_event(4, Status.ROUTING))
    assert [event[::2] for event in await read(database, "desk")] == [(1, 1), (2, 2), (3, 3)]


async def test_whoever_reads_along_misses_nothing_that_is_written_at_once(database: Database):
    store, log = OrderRepository(database), AccountLog(database)
    orders, written = [of("desk") for _ in range(12)], asyncio.Event()

    async def write(terms: OrderTerms) -> None:
        await store.create_order(terms, first_events())
        for seq in range(3, 9):
            await store.append_event(terms.order_id, order_event(seq, Status.ROUTING))

    async def follow() -> list[tuple[int, str, int]]:
        seen: list[tuple[int, str, int]] = []
        while True:
            ended = written.is_set()
            events = await log.after("desk", seen[-1][0] if seen else 0)
            seen += [(each.account_seq, each.terms.order_id, each.event.seq) for each in events]
            if ended and not events:
                return seen

    following = asyncio.create_task(follow())
    await asyncio.gather(*map(write, orders))
    written.set()
    seen = await following
    assert [number for number, _, _ in seen] == list(range(1, 12 * 8 + 1))
    for terms in orders:
        assert [seq for _, order_id, seq in seen if order_id == terms.order_id] == list(range(1, 9))
