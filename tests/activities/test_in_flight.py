"""Quotes stand behind the swaps that were decided on before and that the chain's state does not show yet."""

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from activities.in_flight import InFlight
from activities.venues.errors import SwapRefused
from activities.venues.pool import Clock, Mode, Pool, Quote, Swap

ADDRESS, OTHER = Pubkey.new_unique(), Pubkey.new_unique()

# The blockhash of a signed swap is accepted for 150 blocks.
LIFETIME = 150


@dataclass(frozen=True)
class Ledger:
    """A pool that only remembers which swaps were made, in their order."""

    address: Pubkey = ADDRESS
    made: tuple[int, ...] = ()
    refuses: frozenset[int] = frozenset()

    def quote(self, swap: Swap, clock: Clock) -> Quote:
        if swap.amount in self.refuses:
            raise SwapRefused("Paused", 6000)
        return Quote(swap, swap.amount, 1, 0, True, 1)

    def after(self, quote: Quote, clock: Clock) -> "Ledger":
        return replace(self, made=(*self.made, quote.swap.amount))


def ahead(in_flight: InFlight, pool: Ledger, slot: int = 100, memo: str | None = None) -> tuple[int, ...]:
    """The swaps that a quote at this slot finds already made."""
    seen: Any = in_flight.ahead_of(as_pool(pool), at(slot), memo)
    made: tuple[int, ...] = seen.made
    return made


def as_pool(pool: Ledger) -> Pool:
    return cast(Pool, pool)


def at(slot: int) -> Clock:
    return Clock(slot, 0, 0)


def sells(amount: int, *addresses: Pubkey) -> dict[Pubkey, Swap]:
    return dict.fromkeys(addresses or (ADDRESS,), Swap(True, Mode.EXACT_IN, amount))


@pytest.fixture
def in_flight() -> InFlight:
    """Three orders decided one after the other in slot 100."""
    in_flight = InFlight()
    for memo, amount in (("first", 1), ("second", 2), ("third", 3)):
        in_flight.add(memo, sells(amount), at(100))
    return in_flight


def test_a_new_quote_stands_behind_all_that_were_decided_on(in_flight: InFlight) -> None:
    assert ahead(in_flight, Ledger()) == (1, 2, 3)


def test_a_swap_is_quoted_behind_those_before_it_only(in_flight: InFlight) -> None:
    assert [ahead(in_flight, Ledger(), memo=memo) for memo in ("first", "second", "third")] == [(), (1,), (1, 2)]


def test_deciding_again_keeps_the_place_in_the_queue(in_flight: InFlight) -> None:
    in_flight.add("first", sells(10), at(101))
    assert ahead(in_flight, Ledger()) == (10, 2, 3)


def test_what_a_state_shows_is_not_counted_twice(in_flight: InFlight) -> None:
    in_flight.executed("second", 105)
    assert ahead(in_flight, Ledger(), slot=104) == (1, 2, 3)
    assert ahead(in_flight, Ledger(), slot=105) == (1, 3)
    # A node that lags behind still serves the older state.
    assert ahead(in_flight, Ledger(), slot=103) == (1, 2, 3)


def test_what_is_settled_or_never_sent_is_gone(in_flight: InFlight) -> None:
    in_flight.remove("first")
    assert ahead(in_flight, Ledger()) == (2, 3)
    in_flight.remove("first")
    in_flight.executed("first", 1)
    assert ahead(in_flight, Ledger()) == (2, 3)


def test_what_nobody_removes_ends_with_its_blockhash(in_flight: InFlight) -> None:
    in_flight.add("later", sells(4), at(150))
    assert ahead(in_flight, Ledger(), slot=100 + LIFETIME) == (1, 2, 3, 4)
    assert ahead(in_flight, Ledger(), slot=101 + LIFETIME) == (4,)


def test_other_pools_are_not_touched(in_flight: InFlight) -> None:
    assert ahead(in_flight, Ledger(OTHER)) == ()
    in_flight.add("split", sells(5, ADDRESS, OTHER), at(100))
    assert ahead(in_flight, Ledger(OTHER)) == (5,)
    assert ahead(in_flight, Ledger()) == (1, 2, 3, 5)


def test_a_swap_that_the_pool_would_refuse_is_left_out(in_flight: InFlight) -> None:
    assert ahead(in_flight, Ledger(refuses=frozenset({2}))) == (1, 3)


def test_a_state_with_nothing_ahead_is_passed_on_as_it_is() -> None:
    pool = as_pool(Ledger())
    assert InFlight().ahead_of(pool, at(100)) is pool


ACTIONS = st.lists(
    st.tuples(st.sampled_from(("add", "executed", "remove", "ask", "ask for", "new state")), st.integers(0, 5)),
    max_size=30,
)


@given(ACTIONS)
def test_whatever_happens_the_answer_is_that_of_a_plain_list(actions: list[tuple[str, int]]) -> None:
    in_flight, slot, pool = InFlight(), 100, Ledger()
    queue: dict[str, tuple[int, int | None]] = {}
    for action, number in actions:
        memo = str(number)
        if action == "add":
            in_flight.add(memo, sells(number), at(slot))
            queue[memo] = (number, None)
        elif action == "executed":
            in_flight.executed(memo, slot + 1)
            if memo in queue:
                queue[memo] = (number, slot + 1)
        elif action == "remove":
            in_flight.remove(memo)
            queue.pop(memo, None)
        elif action == "new state":
            slot, pool = slot + 1, Ledger(made=(100 + number,))
        else:
            asker = memo if action == "ask for" else None
            before = list(queue)[: list(queue).index(memo)] if asker in queue else list(queue)
            shown = [queue[name] for name in before]
            expected = [amount for amount, executed in shown if executed is None or executed > slot]
            assert ahead(in_flight, pool, slot, asker) == (*pool.made, *expected)
