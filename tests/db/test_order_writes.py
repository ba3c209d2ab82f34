"""The writes of an order's life against a real PostgreSQL: keyed, guarded, absorbing."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db.database import Database
from db.errors import OrderUnknown, SwapConflict, SwapUnknown
from db.orders import OrderRepository
from db.views import OrderReader
from tests.samples import EXPIRED, FILL, LANDED, first_events, order_event, order_terms, swap_attempt
from workflows.domain.attempt import OutcomeKind, SwapOutcome
from workflows.domain.lifecycle import TERMINAL, Status
from workflows.domain.money import MAX_BASE_UNITS
from workflows.domain.order import OrderTerms


@pytest.fixture
def orders(database: Database) -> OrderRepository:
    return OrderRepository(database)


@pytest.fixture
def reader(database: Database) -> OrderReader:
    return OrderReader(database)


@pytest.fixture
async def terms(orders: OrderRepository) -> OrderTerms:
    terms = order_terms()
    await orders.create_order(terms, first_events())
    return terms


class TestCreate:
    async def test_an_order_is_stored_with_its_first_events(self, orders, reader):
        terms = order_terms(amount_in=MAX_BASE_UNITS)
        await orders.create_order(terms, first_events())
        view = await reader.order(terms.order_id)
        assert view is not None
        assert view.terms == terms
        assert (view.status, view.last_seq, view.attempt) == (Status.ROUTING, 2, 1)
        assert (view.reason, view.venue, view.signature, view.fill) == (None, None, None, None)
        assert view.updated_at == first_events()[1].at
        assert await reader.events(terms.order_id) == list(first_events())

    async def test_a_repetition_changes_nothing_whatever_it_says(self, orders, reader, terms):
        await orders.append_event(terms.order_id, order_event(3, Status.BUILDING, venue="meteora"))
        before = await reader.order(terms.order_id), await reader.events(terms.order_id)
        other = order_terms(order_id=terms.order_id, amount_in=7)
        await orders.create_order(other, (*first_events(), order_event(4, Status.FAILED)))
        assert (await reader.order(terms.order_id), await reader.events(terms.order_id)) == before

    async def test_creations_at_once_store_one_order(self, orders, reader):
        terms = order_terms()
        await asyncio.gather(*(orders.create_order(terms, first_events()) for _ in range(8)))
        assert len(await reader.events(terms.order_id)) == 2

    async def test_amounts_beyond_a_u64_are_refused_by_the_table(self, orders, reader):
        terms = order_terms(amount_in=MAX_BASE_UNITS + 1)
        with pytest.raises(IntegrityError):
            await orders.create_order(terms, first_events())
        assert await reader.order(terms.order_id) is None


class TestAppend:
    async def test_an_event_brings_the_row_up_to_it(self, orders, reader, terms):
        event = order_event(3, Status.BUILDING, venue="raydium", data={"why": "best", "deep": {"list": ["1.5", None]}})
        assert await orders.append_event(terms.order_id, event) == event
        view = await reader.order(terms.order_id)
        assert view is not None
        assert (view.status, view.last_seq, view.venue, view.updated_at) == (Status.BUILDING, 3, "raydium", event.at)
        assert await reader.events(terms.order_id, after=2) == [event]

    async def test_the_event_that_is_there_stands_and_is_the_answer(self, orders, reader, terms):
        first = order_event(3, Status.FAILED, reason="pair_unsupported", data={"detail": "no pool"})
        await orders.append_event(terms.order_id, first)
        before = await reader.order(terms.order_id)
        second = order_event(3, Status.BUILDING, venue="raydium")
        assert await orders.append_event(terms.order_id, second) == first
        assert await reader.order(terms.order_id) == before
        assert await reader.events(terms.order_id, after=2) == [first]

    @pytest.mark.parametrize("end", sorted(TERMINAL))
    async def test_nothing_follows_a_terminal_event(self, orders, reader, terms, end):
        last = order_event(3, end)
        await orders.append_event(terms.order_id, last)
        before = await reader.order(terms.order_id)
        assert await orders.append_event(terms.order_id, order_event(4, Status.CONFIRMED, fill=FILL)) == last
        assert await reader.order(terms.order_id) == before
        assert await reader.events(terms.order_id, after=2) == [last]

    async def test_a_late_event_fills_its_place_in_the_log_and_leaves_the_row(self, orders, reader, terms):
        await orders.append_event(terms.order_id, order_event(4, Status.FAILED, reason="swap_reverted"))
        before = await reader.order(terms.order_id)
        late = order_event(3, Status.BUILDING)
        assert await orders.append_event(terms.order_id, late) == late
        assert await reader.order(terms.order_id) == before
        assert [event.seq for event in await reader.events(terms.order_id)] == [1, 2, 3, 4]

    async def test_events_at_once_leave_the_row_at_the_last_of_them(self, orders, reader, terms):
        events = [order_event(seq, Status.ROUTING, attempt=seq) for seq in range(3, 23)]
        answers = await asyncio.gather(*(orders.append_event(terms.order_id, event) for event in reversed(events)))
        assert answers == events[::-1]
        view = await reader.order(terms.order_id)
        assert view is not None
        assert (view.last_seq, view.attempt) == (22, 22)
        assert await reader.events(terms.order_id, after=2) == events

    async def test_writers_at_once_of_one_seq_agree_on_one_event(self, orders, reader, terms):
        rivals = [order_event(3, Status.BUILDING, venue=f"venue {number}") for number in range(10)]
        answers = await asyncio.gather(*(orders.append_event(terms.order_id, event) for event in rivals))
        (stored,) = await reader.events(terms.order_id, after=2)
        assert answers == [stored] * 10

    async def test_an_end_and_a_further_step_at_once_never_leave_the_end(self, orders, reader):
        for _ in range(20):
            terms = order_terms()
            await orders.create_order(terms, first_events())
            end, further = order_event(3, Status.CANCELED), order_event(4, Status.CONFIRMED, fill=FILL)
            await asyncio.gather(*(orders.append_event(terms.order_id, event) for event in (end, further)))
            view = await reader.order(terms.order_id)
            events = await reader.events(terms.order_id, after=2)
            assert view is not None
            # Whichever came first: either the end kept the other out, or it came late and the row was further on.
            assert (view.status, events) in [(Status.CANCELED, [end]), (Status.CONFIRMED, [end, further])]

    async def test_an_unknown_order_is_an_error(self, orders):
        with pytest.raises(OrderUnknown):
            await orders.append_event(order_terms().order_id, order_event(1, Status.PENDING))

    async def test_the_fill_comes_from_the_event(self, orders, reader, terms):
        await orders.append_event(terms.order_id, order_event(3, Status.CONFIRMED, fill=FILL, signature="s"))
        view = await reader.order(terms.order_id)
        assert view is not None
        assert (view.fill, view.signature) == (FILL, "s")
        assert (await reader.events(terms.order_id))[-1].fill == FILL

    async def test_venue_and_signature_are_those_of_the_attempt(self, orders, reader, terms):
        await orders.append_event(terms.order_id, order_event(3, Status.SUBMITTED, venue="raydium", signature="first"))
        await orders.append_event(terms.order_id, order_event(4, Status.ROUTING, reason="swap_reverted"))
        view = await reader.order(terms.order_id)
        assert view is not None
        assert (view.venue, view.signature, view.reason) == ("raydium", "first", "swap_reverted")
        await orders.append_event(terms.order_id, order_event(5, Status.BUILDING, attempt=2, venue="meteora"))
        view = await reader.order(terms.order_id)
        assert view is not None
        assert (view.venue, view.signature, view.reason) == ("meteora", None, None)

    @pytest.mark.parametrize("detail", ["\0", "a\0\0b", "\\\0", "\\u0000", "\\\\u0000", "\\\\\0"])
    async def test_a_nul_in_a_message_keeps_no_order_from_being_written(self, orders, reader, terms, detail):
        await orders.append_event(terms.order_id, order_event(3, Status.FAILED, data={"detail": detail}))
        (stored,) = await reader.events(terms.order_id, after=2)
        assert stored.data == {"detail": detail.replace("\0", "\ufffd")}


class TestSwaps:
    async def test_a_swap_is_stored_with_its_event(self, orders, reader, terms):
        swap = swap_attempt(terms.order_id)
        event = order_event(3, Status.SUBMITTED, venue="raydium", signature=swap.signature)
        assert await orders.record_attempt(swap, event) == event
        assert await orders.record_attempt(swap, event) == event
        (attempt,) = await reader.attempts(terms.order_id)
        assert (attempt.swap, attempt.outcome, attempt.settled_at) == (swap, None, None)
        view = await reader.order(terms.order_id)
        assert view is not None
        assert (view.status, view.signature) == (Status.SUBMITTED, swap.signature)

    async def test_a_swap_is_not_stored_where_another_event_stands(self, orders, reader, terms):
        stands = order_event(3, Status.BUILDING)
        await orders.append_event(terms.order_id, stands)
        swap = swap_attempt(terms.order_id)
        assert await orders.record_attempt(swap, order_event(3, Status.SUBMITTED, signature=swap.signature)) == stands
        assert await reader.attempts(terms.order_id) == []

    async def test_a_swap_is_not_stored_once_the_order_has_ended(self, orders, reader, terms):
        end = order_event(3, Status.CANCELED)
        await orders.append_event(terms.order_id, end)
        assert await orders.record_attempt(swap_attempt(terms.order_id), order_event(4, Status.SUBMITTED)) == end
        assert await reader.attempts(terms.order_id) == []

    async def test_a_repetition_after_the_end_answers_with_the_event(self, orders, terms):
        swap, event = swap_attempt(terms.order_id), order_event(3, Status.SUBMITTED)
        await orders.record_attempt(swap, event)
        await orders.append_event(terms.order_id, order_event(4, Status.CONFIRMED, fill=FILL))
        assert await orders.record_attempt(swap, event) == event

    @pytest.mark.parametrize("outcome", [None, LANDED], ids=["unsettled", "landed"])
    @pytest.mark.parametrize("attempt", [1, 2])
    async def test_no_second_signature_while_one_may_land_or_has_landed(self, orders, reader, terms, outcome, attempt):
        first = swap_attempt(terms.order_id)
        await orders.record_attempt(first, order_event(3, Status.SUBMITTED))
        if outcome:
            await orders.settle_attempt(first, outcome)
        before = await reader.order(terms.order_id), await reader.events(terms.order_id)
        second = swap_attempt(terms.order_id, attempt, signature="another")
        with pytest.raises(SwapConflict):
            await orders.record_attempt(second, order_event(4, Status.SUBMITTED))
        assert (await reader.order(terms.order_id), await reader.events(terms.order_id)) == before
        assert [attempt.swap for attempt in await reader.attempts(terms.order_id)] == [first]

    async def test_a_second_signature_after_the_proof_that_the_first_is_dead(self, orders, reader, terms):
        first, second = swap_attempt(terms.order_id), swap_attempt(terms.order_id, 2)
        await orders.record_attempt(first, order_event(3, Status.SUBMITTED))
        await orders.settle_attempt(first, EXPIRED)
        await orders.record_attempt(second, order_event(4, Status.SUBMITTED, attempt=2))
        assert [attempt.swap for attempt in await reader.attempts(terms.order_id)] == [first, second]

    async def test_rival_signatures_at_once_leave_one(self, orders, reader, terms):
        swaps = [swap_attempt(terms.order_id, number, signature=f"s{number}") for number in range(1, 9)]
        answers = await asyncio.gather(
            *(orders.record_attempt(swap, order_event(2 + swap.attempt, Status.SUBMITTED)) for swap in swaps),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, SwapConflict) for answer in answers) == 7
        assert len(await reader.attempts(terms.order_id)) == 1

    async def test_a_swap_of_an_unknown_order_is_an_error(self, orders):
        with pytest.raises(OrderUnknown):
            await orders.record_attempt(swap_attempt(order_terms().order_id), order_event(3, Status.SUBMITTED))

    async def test_the_first_outcome_stands(self, orders, reader, terms):
        swap = swap_attempt(terms.order_id)
        await orders.record_attempt(swap, order_event(3, Status.SUBMITTED))
        assert await orders.settle_attempt(swap, LANDED) == LANDED
        (settled,) = await reader.attempts(terms.order_id)
        assert await orders.settle_attempt(swap, EXPIRED) == LANDED
        assert await reader.attempts(terms.order_id) == [settled]
        assert settled.outcome == LANDED
        assert settled.settled_at is not None

    async def test_rival_outcomes_at_once_are_one_for_all(self, orders, reader, terms):
        swap = swap_attempt(terms.order_id)
        await orders.record_attempt(swap, order_event(3, Status.SUBMITTED))
        answers = await asyncio.gather(*(orders.settle_attempt(swap, each) for each in (LANDED, EXPIRED) * 4))
        (settled,) = await reader.attempts(terms.order_id)
        assert answers == [settled.outcome] * 8

    async def test_an_outcome_keeps_its_reason(self, orders, reader, terms):
        swap = swap_attempt(terms.order_id)
        outcome = SwapOutcome(kind=OutcomeKind.REVERTED, slot=7, reason="slippage_exceeded", detail="0x1774\0")
        await orders.record_attempt(swap, order_event(3, Status.SUBMITTED))
        await orders.settle_attempt(swap, outcome)
        (settled,) = await reader.attempts(terms.order_id)
        assert settled.outcome == outcome.model_copy(update={"detail": "0x1774\ufffd"})

    async def test_an_outcome_of_an_unrecorded_signature_is_an_error(self, orders, terms):
        swap = swap_attempt(terms.order_id)
        await orders.record_attempt(swap, order_event(3, Status.SUBMITTED))
        with pytest.raises(SwapUnknown):
            await orders.settle_attempt(swap.model_copy(update={"signature": "another"}), LANDED)


class TestRecordedSwap:
    async def test_a_swap_is_read_back_whole_with_its_outcome_once_there_is_one(self, orders, terms):
        swap = swap_attempt(terms.order_id, amount_in=MAX_BASE_UNITS)
        await orders.record_attempt(swap, order_event(3, Status.SUBMITTED))
        assert await orders.recorded_swap(terms.order_id, swap.signature) == (swap, None)
        await orders.settle_attempt(swap, LANDED)
        assert await orders.recorded_swap(terms.order_id, swap.signature) == (swap, LANDED)

    async def test_a_signature_that_the_order_never_had_is_an_error(self, orders, terms):
        swap = swap_attempt(terms.order_id)
        await orders.record_attempt(swap, order_event(3, Status.SUBMITTED))
        for order_id, signature in ((terms.order_id, "another"), (order_terms().order_id, swap.signature)):
            with pytest.raises(SwapUnknown):
                await orders.recorded_swap(order_id, signature)


class TestGuards:
    """What the tables refuse whatever code runs."""

    @pytest.mark.parametrize("end", sorted(TERMINAL))
    async def test_no_statement_leaves_a_terminal_status(self, database, orders, reader, terms, end):
        await orders.append_event(terms.order_id, order_event(3, end))
        statement = text("UPDATE orders SET status = 'routing', last_seq = last_seq + 1 WHERE id = :id")
        with pytest.raises(IntegrityError, match=f"is {end} at seq 3: it cannot become routing at seq 4"):
            await database.fetch(statement, {"id": UUID(terms.order_id)})
        view = await reader.order(terms.order_id)
        assert view is not None
        assert view.status is end

    @pytest.mark.parametrize(
        "change", ["last_seq = 1", "status = 'traded'", "type = 'wish'", "slippage_bps = 10001", "amount_in = 0"]
    )
    async def test_no_statement_breaks_a_rule_of_the_table(self, database, terms, change):
        with pytest.raises(IntegrityError):
            await database.fetch(text(f"UPDATE orders SET {change} WHERE id = :id"), {"id": UUID(terms.order_id)})
