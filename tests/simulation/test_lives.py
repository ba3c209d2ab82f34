"""Orders live through faults and crashes: each trades at most once, and none is stuck. More lives: `make lives`."""

import pytest

from tests.simulation.life import live
from tests.simulation.lives import counted
from tests.simulation.mutants import MUTANTS

_LIVES = 50

# The most elusive of the mutants shows itself within a fifth of these, whatever the seed.
_UNTIL_CAUGHT = 500
_SEED_OF_MUTANTS = 12

# Where each was first noticed, and so is looked for first: a change of the simulation makes the search longer at most.
_FIRST_NOTICED = {
    "GivesUpAfterATime": 5,
    "CountsUnfinishedBlocks": 22,
    "NeverSearchesHistory": 5,
    "ReportsBeforeTheVotes": 20,
    "GivesUpWhenTheNodeIsAway": 18,
    "SendsBeforeItRecords": 1,
    "SwallowsFailures": 6,
}


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
    numbers = range(3, 13)
    assert [live(3, number) for number in numbers] == [live(3, number) for number in reversed(numbers)][::-1]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_sender_is_noticed(name: str) -> None:
    numbers = sorted(range(_UNTIL_CAUGHT), key=lambda number: number != _FIRST_NOTICED.get(name))
    assert any(live(_SEED_OF_MUTANTS, number, MUTANTS[name]).faults for number in numbers)
