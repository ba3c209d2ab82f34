"""An endpoint's score, circuit breaker and pauses: what they come to, and what they never do."""

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.solana.health import PAUSES, TRIP_AFTER, Backoff, Health
from activities.solana.observer import Circuit
from activities.solana.transport import seconds_until

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def health() -> Health:
    return Health(Random(1))


def broken(at: float = 100.0) -> Health:
    """An endpoint whose circuit has just opened."""
    endpoint = health()
    for _ in range(TRIP_AFTER):
        endpoint.failed(at)
    return endpoint


class TestBreaker:
    def test_it_opens_after_failures_in_a_row(self) -> None:
        endpoint = health()
        for _ in range(TRIP_AFTER - 1):
            endpoint.failed(100.0)
            assert endpoint.circuit(100.0) is Circuit.CLOSED
        endpoint.failed(100.0)
        assert endpoint.circuit(100.0) is Circuit.OPEN

    def test_an_answer_between_failures_keeps_it_closed(self) -> None:
        endpoint = health()
        for _ in range(5):
            for _ in range(TRIP_AFTER - 1):
                endpoint.failed(100.0)
            endpoint.succeeded(100.0, 0.01)
        assert endpoint.circuit(100.0) is Circuit.CLOSED

    def test_after_its_pause_one_probe_is_let_through(self) -> None:
        endpoint = broken(100.0)
        assert not endpoint.take_probe(100.0)
        later = 100.0 + PAUSES.first
        assert endpoint.circuit(later) is Circuit.HALF_OPEN
        assert not endpoint.usable(later)
        assert endpoint.take_probe(later)
        assert not endpoint.take_probe(later)

    def test_a_probe_that_succeeds_closes_it(self) -> None:
        endpoint = broken(100.0)
        assert endpoint.take_probe(101.0)
        endpoint.succeeded(101.0, 0.01)
        assert endpoint.circuit(101.0) is Circuit.CLOSED

    def test_a_probe_that_fails_opens_it_for_longer(self) -> None:
        endpoint, now, pauses = broken(100.0), 100.0, list[float]()
        for _ in range(5):
            began = now
            while endpoint.circuit(now) is Circuit.OPEN:
                now += 0.01
            pauses.append(now - began)
            assert endpoint.take_probe(now)
            endpoint.failed(now)
        assert pauses[0] <= PAUSES.first + 0.02
        assert pauses[4] > 4 * pauses[0]

    def test_failures_of_what_was_under_way_do_not_prolong_it(self) -> None:
        endpoint = broken(100.0)
        for _ in range(50):
            endpoint.failed(100.0)
        assert endpoint.circuit(100.0 + PAUSES.first) is Circuit.HALF_OPEN

    def test_silence_asks_for_a_probe_too(self) -> None:
        endpoint = health()
        assert endpoint.take_probe(100.0, silence=10.0)
        endpoint.succeeded(100.0, 0.01)
        assert not endpoint.take_probe(109.0, silence=10.0)
        assert endpoint.take_probe(111.0, silence=10.0)


class TestRest:
    def test_the_endpoint_is_left_alone_for_as_long_as_it_asked(self) -> None:
        endpoint = health()
        endpoint.rested(100.0, 7.0)
        assert endpoint.circuit(106.9) is Circuit.RESTING
        assert endpoint.circuit(107.0) is Circuit.CLOSED

    def test_without_a_time_the_rests_grow(self) -> None:
        endpoint, now = health(), 100.0
        rests = []
        for _ in range(6):
            endpoint.rested(now, None)
            rests.append(endpoint.rests_until() - now)
            now = endpoint.rests_until()
        assert rests[0] <= PAUSES.first
        assert PAUSES.longest / 2 <= rests[5] <= PAUSES.longest

    def test_requests_refused_together_are_one_refusal(self) -> None:
        endpoint = health()
        for _ in range(64):
            endpoint.rested(100.0, None)
        assert endpoint.rests_until() <= 100.0 + PAUSES.first

    def test_no_date_silences_an_endpoint_for_a_day(self) -> None:
        endpoint = health()
        endpoint.rested(100.0, 86_400.0)
        assert endpoint.rests_until() <= 160.0

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            (None, None),
            ("", None),
            ("soon", None),
            ("-5", None),
            ("0", 0.0),
            (" 120 ", 120.0),
            ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
            ("Thursday, 01-Jan-26 12:00:30 GMT", 30.0),
            ("Thu Jan  1 12:00:30 2026", 30.0),
            ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ],
    )
    def test_a_retry_after_is_seconds_or_a_date(self, header: str | None, seconds: float | None) -> None:
        assert seconds_until(header, NOON) == seconds

    @given(st.text(max_size=60))
    def test_no_header_raises(self, header: str) -> None:
        seconds = seconds_until(header, NOON)
        assert seconds is None or seconds >= 0


class TestCost:
    def test_who_answers_faster_is_asked_first(self) -> None:
        fast, slow = health(), health()
        for _ in range(5):
            fast.succeeded(100.0, 0.02)
            slow.succeeded(100.0, 0.2)
        assert fast.cost(100.0) < slow.cost(100.0)

    def test_who_failed_lately_is_asked_later_and_forgiven_in_time(self) -> None:
        endpoint = health()
        endpoint.succeeded(100.0, 0.02)
        endpoint.failed(100.0)
        assert endpoint.cost(100.0) > 1.0
        assert endpoint.cost(200.0) < 0.03

    def test_who_lags_is_asked_later(self) -> None:
        endpoint = health()
        endpoint.succeeded(100.0, 0.02)
        endpoint.behind(100.0, 1)
        near = endpoint.cost(100.0)
        endpoint.behind(100.0, 30)
        assert endpoint.cost(100.0) > near + 1
        assert near < 0.03

    def test_who_has_never_answered_comes_after_those_that_did(self) -> None:
        known = health()
        known.succeeded(100.0, 0.3)
        assert known.cost(100.0) < health().cost(100.0)


@given(failures=st.integers(1, 10_000), seed=st.integers())
def test_a_pause_is_between_half_and_all_of_what_doubling_gives(failures: int, seed: int) -> None:
    backoff = Backoff(first=0.1, longest=5.0)
    whole = min(5.0, 0.1 * 2 ** min(failures - 1, 60))
    assert whole / 2 <= backoff.pause(failures, Random(seed)) <= whole


@given(
    seed=st.integers(),
    calls=st.lists(
        st.tuples(st.sampled_from(["succeeded", "failed", "rested", "behind", "probe"]), st.floats(0, 5)), max_size=60
    ),
)
def test_whatever_happens_an_endpoint_comes_back(seed: int, calls: list[tuple[str, float]]) -> None:
    endpoint, now = Health(Random(seed)), 100.0
    for call, passed in calls:
        now += passed
        if call == "succeeded":
            endpoint.succeeded(now, passed)
        elif call == "failed":
            endpoint.failed(now)
        elif call == "rested":
            endpoint.rested(now, passed)
        elif call == "behind":
            endpoint.behind(now, int(passed * 100))
        elif endpoint.take_probe(now):
            endpoint.failed(now)
        assert endpoint.cost(now) >= 0
    # Nothing is silenced for longer than a rest; then it is asked, or probed and asked.
    later = now + 60.0
    if not endpoint.usable(later):
        assert endpoint.take_probe(later)
        endpoint.succeeded(later, 0.01)
    assert endpoint.usable(later)
    assert endpoint.cost(later + 600) < 10
