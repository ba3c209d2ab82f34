"""Slots pass evenly, whatever happens to the machine's clock."""

import time

import pytest

from deploy.localnet.slots import FIRST_SLOT, Commitment, SlotClock

_LAGS = {Commitment.PROCESSED: 0, Commitment.CONFIRMED: 1, Commitment.FINALIZED: 32}


def test_a_clock_that_is_set_back_does_not_stop_the_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, passed = SlotClock(b"genesis", 100, [], _LAGS), time.monotonic()
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall - 3_600)
    monkeypatch.setattr(time, "monotonic", lambda: passed + 60)
    assert clock.slot() >= FIRST_SLOT + 599
    assert clock.until_next_slot() <= 0.1
