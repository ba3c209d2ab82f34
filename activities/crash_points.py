"""Named places at which a test lets the worker die, one before and one after every step that lasts.

Switched off, nothing of this exists: the composition root plants the points around its clients only when the
environment names some. They are for simulated and test clusters; a worker refuses to start with them on mainnet.
"""

import logging
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from workflows.domain.clusters import CLUSTERS, ClusterName
from workflows.domain.lifecycle import Status

log = logging.getLogger(__name__)


class CrashPoint(StrEnum):
    """Every place at which a worker can be made to die."""

    BEFORE_PERSIST = "before-persist"
    AFTER_PERSIST = "after-persist"
    BEFORE_DECISION = "before-decision"
    AFTER_DECISION = "after-decision"
    BEFORE_PREPARE = "before-prepare"
    AFTER_PREPARE = "after-prepare"
    BEFORE_RECORD = "before-record"
    AFTER_RECORD = "after-record"
    BEFORE_FIRST_SEND = "before-first-send"
    AFTER_FIRST_SEND = "after-first-send"
    PROCESSED_SEEN = "processed-seen"
    CONFIRMED_SEEN = "confirmed-seen"
    BEFORE_SETTLE = "before-settle"
    AFTER_SETTLE = "after-settle"
    BEFORE_PUBLISH = "before-publish"
    AFTER_PUBLISH = "after-publish"
    BEFORE_RELAY = "before-relay"
    AFTER_RELAY = "after-relay"


@dataclass(frozen=True, slots=True)
class Chance:
    """How likely the process dies at a point each time it passes, and how often at most (None: any number)."""

    probability: float
    times: int | None = None


def parse(text: str) -> dict[CrashPoint, Chance]:
    """Read `after-first-send:0.1,before-settle:once,before-publish:0.5:3`: point, chance, and how often at most.

    Raises ValueError when a point has no such name or a number is none.
    """
    chances: dict[CrashPoint, Chance] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, chance = item.partition(":")
        probability, _, times = ("1:1" if chance == "once" else chance).partition(":")
        found = Chance(float(probability), int(times) if times else None)
        if not 0 <= found.probability <= 1:
            raise ValueError(f"{item}: a chance lies between 0 and 1")
        chances[CrashPoint(name)] = found
    return chances


class CrashSettings(BaseSettings):
    """What switches crash points on. For tests: no command lists these settings."""

    model_config = SettingsConfigDict(env_prefix="ORDER_ENGINE_", env_ignore_empty=True, extra="ignore", frozen=True)

    crash_points: str = Field("", description="Points and their chances, as `parse` reads them.")
    crash_seed: int = Field(0, description="What the draws follow from.")
    crash_dir: Path | None = Field(None, description="Where crashes are counted, over the lives of all workers.")

    @field_validator("crash_points")
    @classmethod
    def _reads(cls, text: str) -> str:
        parse(text)
        return text


class CrashPlan:
    """Draws at each point whether this is the moment to die."""

    def __init__(
        self,
        chances: Mapping[CrashPoint, Chance],
        seed: int = 0,
        directory: Path | None = None,
        die: Callable[[CrashPoint], None] | None = None,
    ) -> None:
        self._chances = chances
        self._directory = directory
        self._died: dict[CrashPoint, int] = {}
        self._die = die or _kill
        # Each life of a worker draws on its own: the same draws again would die at the same place for ever.
        lives = len(list(directory.iterdir())) if directory else 0
        self._random = random.Random(f"{seed}/{lives}")

    def reach(self, point: CrashPoint) -> None:
        """Die here if the draw says so."""
        chance = self._chances.get(point)
        if chance and self._random.random() < chance.probability and self._claim(point, chance.times):
            self._die(point)

    def _claim(self, point: CrashPoint, times: int | None) -> bool:
        """Whether this crash is within the number allowed, counted over all workers when they share a directory."""
        number = self._died.get(point, 0)
        while times is None or number < times:
            number += 1
            self._died[point] = number
            if self._directory is None:
                return True
            try:
                (self._directory / f"{point}.{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False


def crash_plan(settings: CrashSettings) -> CrashPlan | None:
    """The plan of the environment, None (as ever outside of tests) when it names no point."""
    chances = parse(settings.crash_points)
    return CrashPlan(chances, settings.crash_seed, settings.crash_dir) if chances else None


def refuse_mainnet(genesis_hash: str) -> None:
    """Raises ValueError on mainnet: nobody may want a worker there to die."""
    if genesis_hash == CLUSTERS[ClusterName.MAINNET].genesis:
        raise ValueError("ORDER_ENGINE_CRASH_POINTS is set: crash points are for tests, never for mainnet")


def plant(plan: CrashPlan, *, store: Any, relay: Any, builder: Any, confirmations: Any, rpc: Any) -> None:
    """Put the points around the calls through which everything lasting is done."""
    around(plan, store, "create_order", CrashPoint.BEFORE_PERSIST, CrashPoint.AFTER_PERSIST)
    around(plan, store, "record_attempt", CrashPoint.BEFORE_RECORD, CrashPoint.AFTER_RECORD)
    around(plan, store, "settle_attempt", CrashPoint.BEFORE_SETTLE, CrashPoint.AFTER_SETTLE)
    around(plan, relay, "publish", CrashPoint.BEFORE_RELAY, CrashPoint.AFTER_RELAY)
    around(plan, builder, "prepare", CrashPoint.BEFORE_PREPARE, CrashPoint.AFTER_PREPARE)
    _around_events(plan, store)
    _around_sending(plan, rpc)
    _around_confirming(plan, confirmations)


def around(plan: CrashPlan, target: Any, name: str, before: CrashPoint, after: CrashPoint) -> None:
    """Reach `before` ahead of each call of the method and `after` when it has succeeded."""
    method: Callable[..., Awaitable[Any]] = getattr(target, name)

    async def guarded(*arguments: Any, **named: Any) -> Any:
        plan.reach(before)
        answer = await method(*arguments, **named)
        plan.reach(after)
        return answer

    setattr(target, name, guarded)


def _around_events(plan: CrashPlan, store: Any) -> None:
    append = store.append_event

    async def guarded(order_id: str, event: Any, *terms: Any) -> Any:
        decides = event.status is Status.BUILDING
        plan.reach(CrashPoint.BEFORE_DECISION if decides else CrashPoint.BEFORE_PUBLISH)
        answer = await append(order_id, event, *terms)
        plan.reach(CrashPoint.AFTER_DECISION if decides else CrashPoint.AFTER_PUBLISH)
        return answer

    store.append_event = guarded


def _around_sending(plan: CrashPlan, rpc: Any) -> None:
    send = rpc.send
    sent: set[bytes] = set()

    async def guarded(transaction: bytes) -> Any:
        is_first = transaction not in sent
        sent.add(transaction)
        if is_first:
            plan.reach(CrashPoint.BEFORE_FIRST_SEND)
        answer = await send(transaction)
        if is_first:
            plan.reach(CrashPoint.AFTER_FIRST_SEND)
        return answer

    rpc.send = guarded


def _around_confirming(plan: CrashPlan, confirmations: Any) -> None:
    settle = confirmations.settle

    async def guarded(*arguments: Any, on_executed: Callable[[int], None], **named: Any) -> Any:
        def executed(slot: int) -> None:
            plan.reach(CrashPoint.PROCESSED_SEEN)
            on_executed(slot)

        outcome = await settle(*arguments, on_executed=executed, **named)
        plan.reach(CrashPoint.CONFIRMED_SEEN)
        return outcome

    confirmations.settle = guarded


def _kill(point: CrashPoint) -> None:
    """End as a machine that loses its power does: no handler runs, nothing is flushed or closed."""
    log.warning("crash point %s", point)
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)
