"""Answers that many orders share."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from activities.solana import shared
from activities.solana.shared import Shared

Fetch = Callable[[str], Awaitable[str]]


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shared, "time", clock)
    return clock


class Source:
    """Counts fetches; each answers once `answered` is set, with its number, or fails."""

    def __init__(self) -> None:
        self.fetches = 0
        self.answered = asyncio.Event()
        self.failing = False

    async def fetch(self, key: str) -> str:
        self.fetches += 1
        number = self.fetches
        await self.answered.wait()
        if self.failing:
            raise ConnectionError(f"{key} failed")
        return f"{key} {number}"


@pytest.fixture
def source() -> Source:
    return Source()


async def test_those_who_ask_at_the_same_time_share_one_fetch(clock: Clock, source: Source) -> None:
    answers = Shared(source.fetch, max_age=1)
    asking = [asyncio.create_task(answers.get("key")) for _ in range(5)]
    await asyncio.sleep(0)
    source.answered.set()
    assert set(await asyncio.gather(*asking)) == {"key 1"}


async def test_keys_do_not_share(clock: Clock, source: Source) -> None:
    source.answered.set()
    answers = Shared(source.fetch, max_age=1)
    assert (await answers.get("a"), await answers.get("b")) == ("a 1", "b 2")


async def test_an_answer_is_good_until_it_is_older_than_its_age(clock: Clock, source: Source) -> None:
    source.answered.set()
    answers = Shared(source.fetch, max_age=1)
    assert await answers.get("key") == "key 1"
    clock.now += 1
    assert await answers.get("key") == "key 1"
    clock.now += 0.001
    assert await answers.get("key") == "key 2"


async def test_the_age_counts_from_the_question_so_that_a_slow_answer_is_not_kept_longer(
    clock: Clock, source: Source
) -> None:
    answers = Shared(source.fetch, max_age=1)
    asking = asyncio.create_task(answers.get("key"))
    await asyncio.sleep(0)
    clock.now += 2
    source.answered.set()
    assert await asking == "key 1"
    assert await answers.get("key") == "key 2"


async def test_a_failure_fails_all_who_wait_and_is_not_kept(clock: Clock, source: Source) -> None:
    source.failing = True
    answers = Shared(source.fetch, max_age=1)
    asking = [asyncio.create_task(answers.get("key")) for _ in range(3)]
    await asyncio.sleep(0)
    source.answered.set()
    failed = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(failure) for failure in failed] == ["key failed"] * 3
    source.failing = False
    assert await answers.get("key") == "key 2"


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others(clock: Clock, source: Source) -> None:
    answers = Shared(source.fetch, max_age=1)
    first, second = (asyncio.create_task(answers.get("key")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.answered.set()
    assert await second == "key 1"
    assert await answers.get("key") == "key 1"


async def test_what_is_forgotten_is_fetched_again(clock: Clock, source: Source) -> None:
    source.answered.set()
    answers = Shared(source.fetch, max_age=float("inf"))
    assert await answers.get("key") == "key 1"
    answers.forget("key")
    answers.forget("never asked for")
    assert await answers.get("key") == "key 2"


async def test_what_has_aged_is_forgotten_before_it_becomes_too_much(
    clock: Clock, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "MOST_KEPT", 3)
    source.answered.set()
    answers: Shared[str, str] = Shared(source.fetch, 10.0)
    for key in ("a", "b"):
        await answers.get(key)
    clock.now += 10.5
    await answers.get("c")
    await answers.get("d")
    assert set(answers._running) == {"c", "d"}
    # What is still good stays, however much it is.
    for key in ("e", "f"):
        await answers.get(key)
    assert [await answers.get(key) for key in "cdef"] == ["c 3", "d 4", "e 5", "f 6"]
