"""Orders live through faults and crashes: each trades at most once, and none is stuck. More lives: `make lives`."""

import pytest

from tests.simulation.life import live
from tests.simulation.lives import counted
from tests.simulation.mutants import MUTANTS

_LIVES = 50

# The most elusive of the mutants shows itself within a fifth of these.
_UNTIL_CAUGHT = 500

# One that shows each of them soon; any other does too, and may take three times as long.
_SEED_OF_MUTANTS = 12


def test_orders_trade_at_most_once_and_end_whatever_breaks() -> None:
    figures = counted(live(1, number) for number in range(_LIVES))
    assert [(life.number, life.faults) for life in figures.wrong] == []
    assert (figures.duplicated, figures.stuck) == (0, 0)
    # The lives are worth something: there are all ends, further attempts, and deaths in many places.
    assert len(figures.statuses) == 3
    assert figures.most_attempts > 2
    assert len(figures.places) > 15
    assert figures.lost_histories > 0


def test_a_life_is_the_same_each_time() -> None:
    assert [live(3, number) for number in range(4)] == [live(3, number) for number in reversed(range(4))][::-1]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_sender_is_noticed(name: str) -> None:
    assert any(live(_SEED_OF_MUTANTS, number, MUTANTS[name]).faults for number in range(_UNTIL_CAUGHT))
