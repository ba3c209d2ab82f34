"""What an operator is told, from orders whose every moment is known."""

from datetime import timedelta

from db.database import Database
from db.operations import Bucket, Ended, InFlight, Landing, OperationsReader, Setback, Step, Window
from db.orders import OrderRepository
from tests.samples import BEGINNING, EXPIRED, FILL, LANDED, first_events, order_event, order_terms, swap_attempt
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms

WINDOW = Window(since=BEGINNING - timedelta(seconds=10), buckets=6, bucket_seconds=10)


async def accepted(store: OrderRepository, account: str, **changes: object) -> OrderTerms:
    terms = order_terms(account=account, **changes)
    await store.create_order(terms, first_events())
    return terms


async def confirmed(store: OrderRepository, account: str) -> OrderTerms:
    """An order that is routed after 1 s, sent after another, and confirmed after three more."""
    terms = await accepted(store, account)
    swap = swap_attempt(terms.order_id)
    await store.append_event(terms.order_id, order_event(3, Status.BUILDING, venue="raydium"))
    sent = order_event(4, Status.SUBMITTED, venue="raydium", signature=swap.signature)
    await store.record_attempt(swap, sent)
    await store.settle_attempt(swap, LANDED)
    facts = {"venue": "raydium", "signature": swap.signature, "fill": FILL}
    at = BEGINNING + timedelta(seconds=7)
    await store.append_event(terms.order_id, order_event(5, Status.CONFIRMED, **facts).model_copy(update={"at": at}))
    return terms


async def test_an_engine_that_has_done_nothing_has_nothing_to_tell(database: Database):
    found = await OperationsReader(database).look(None, WINDOW)
    assert list(found.buckets) == [Bucket()] * 6
    assert [*found.in_flight, *found.steps, *found.ended, *found.setbacks, *found.landings] == []


async def test_orders_are_counted_by_how_they_stand_and_ended(database: Database):
    store = OrderRepository(database)
    await confirmed(store, "desk")
    await confirmed(store, "other")
    await accepted(store, "desk")
    failed = await accepted(store, "desk")
    reason = ErrorCode.INSUFFICIENT_FUNDS
    await store.append_event(failed.order_id, order_event(3, Status.FAILED, reason=reason))
    reader = OperationsReader(database)
    desk = await reader.look("desk", WINDOW)
    assert list(desk.in_flight) == [InFlight(Status.ROUTING, 1, BEGINNING)]
    assert set(desk.ended) == {
        Ended(Status.CONFIRMED, None, "raydium", 1),
        Ended(Status.FAILED, "insufficient_funds", None, 1),
    }
    assert list(desk.buckets) == [Bucket(), Bucket(accepted=3, confirmed=1, failed=1), *[Bucket()] * 4]
    assert list(desk.setbacks) == [Setback("insufficient_funds", Status.FAILED, 1)]
    everyone = await reader.look(None, WINDOW)
    assert everyone.buckets[1] == Bucket(accepted=4, confirmed=2, failed=1)
    assert (await reader.look("nobody", WINDOW)).ended == []


async def test_each_step_has_its_time(database: Database):
    store = OrderRepository(database)
    for _ in range(3):
        await confirmed(store, "desk")
    steps = (await OperationsReader(database).look("desk", WINDOW)).steps
    assert set(steps) == {
        Step(None, Status.CONFIRMED, 3, 7_000, 7_000, 7_000),
        Step(Status.PENDING, Status.ROUTING, 3, 1_000, 1_000, 1_000),
        Step(Status.ROUTING, Status.BUILDING, 3, 1_000, 1_000, 1_000),
        Step(Status.BUILDING, Status.SUBMITTED, 3, 1_000, 1_000, 1_000),
        Step(Status.SUBMITTED, Status.CONFIRMED, 3, 3_000, 3_000, 3_000),
    }


async def test_another_attempt_is_a_setback_and_its_swap_has_an_outcome(database: Database):
    store = OrderRepository(database)
    terms = await accepted(store, "desk")
    swap = swap_attempt(terms.order_id)
    await store.append_event(terms.order_id, order_event(3, Status.BUILDING))
    await store.record_attempt(swap, order_event(4, Status.SUBMITTED, signature=swap.signature))
    await store.settle_attempt(swap, EXPIRED)
    await store.append_event(
        terms.order_id, order_event(5, Status.ROUTING, attempt=2, reason=ErrorCode.BLOCKHASH_EXPIRED)
    )
    found = await OperationsReader(database).look("desk", WINDOW)
    assert list(found.setbacks) == [Setback("blockhash_expired", Status.ROUTING, 1)]
    (landing,) = found.landings
    assert isinstance(landing, Landing)
    assert (landing.outcome, landing.attempts) == ("expired", 1)
    assert landing.p50_ms is not None
    assert landing.p50_ms >= 0


async def test_what_was_before_the_window_is_left_out_unless_it_has_not_ended(database: Database):
    store = OrderRepository(database)
    await confirmed(store, "desk")
    await accepted(store, "desk")
    later = Window(since=BEGINNING + timedelta(minutes=5), buckets=6, bucket_seconds=10)
    found = await OperationsReader(database).look("desk", later)
    assert (found.ended, found.steps, list(found.buckets)) == ([], [], [Bucket()] * 6)
    assert [each.orders for each in found.in_flight] == [1]
