"""The cluster's time: slots follow uptime, so that a wall clock that is set back cannot stop the chain."""

import time

import pytest

from deploy.localnet.slots import FIRST_SLOT, Anchor, Commitment, SlotClock, steady_time

LAGS = {Commitment.PROCESSED: 0, Commitment.CONFIRMED: 1, Commitment.FINALIZED: 32}


def test_slots_go_on_while_the_wall_clock_is_set_back(monkeypatch: pytest.MonkeyPatch):
    uptime, wall = 50.0, 1_000_000.0
    monkeypatch.setattr(time, "monotonic", lambda: uptime)
    monkeypatch.setattr(time, "time", lambda: wall)
    clock = SlotClock(b"genesis", 400, [], LAGS)
    uptime, wall = 54.0, 990_000.0
    assert clock.slot() == FIRST_SLOT + 10
    assert clock.unix_time(clock.slot()) == 1_000_004


def test_a_restarted_cluster_goes_on_where_the_wall_clock_puts_it():
    anchors = [Anchor(steady_time()() - 100.0, 5_000, 400)]
    assert SlotClock(b"genesis", 400, anchors, LAGS).slot() >= 5_250
