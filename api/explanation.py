"""What happened to an order, put together from its log: round by round, with the reasons. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from db.rows import AttemptView, OrderView, RiskCheckView
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status, is_terminal
from workflows.domain.order import OrderEvent
from workflows.domain.risk import REFUSALS, WALLET_REFUSALS
from workflows.domain.routing import Decision, recorded


class Next(StrEnum):
    """What came of a round that did not trade."""

    ANOTHER_ATTEMPT = "another_attempt"
    REST = "rest"
    END = "end"


@dataclass(frozen=True, slots=True)
class Setback:
    """Why a round ended without a trade, and what came next."""

    at: datetime
    reason: ErrorCode
    detail: str
    next: Next


@dataclass(slots=True)
class Round:
    """One way from quotes to an outcome. `decision` is None where none was made, `swap` where none was signed."""

    attempt: int
    begun_at: datetime
    decision: Decision | None = None
    decided_at: datetime | None = None
    swap: AttemptView | None = None
    setback: Setback | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """A time for which the order waited; `until` is None while it does."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """An order with its whole story. `refusal` is what a check of the risk refused it for."""

    view: OrderView
    rounds: Sequence[Round]
    rests: Sequence[Rest]
    check: RiskCheckView | None
    refusal: Setback | None
    ended_at: datetime | None

    @property
    def landed(self) -> AttemptView | None:
        """The swap that traded."""
        swaps = (each.swap for each in self.rounds if each.swap is not None)
        return next((swap for swap in swaps if swap.outcome is not None and swap.outcome.fill is not None), None)


def explain(
    view: OrderView, events: Sequence[OrderEvent], attempts: Sequence[AttemptView], check: RiskCheckView | None
) -> Explanation:
    """The story that an order's events, attempts and last passed risk check tell."""
    story = _Story({each.swap.signature: each for each in attempts})
    for event in events:
        story.read(event)
    last = events[-1] if events else None
    ended = last is not None and is_terminal(last.status)
    return Explanation(
        view=view,
        rounds=story.rounds,
        rests=[*story.rests, *([Rest(story.resting_since, None)] if story.resting_since is not None else [])],
        check=check,
        refusal=_setback(last) if last is not None and _is_refusal(last) else None,
        ended_at=last.at if last is not None and ended else None,
    )


@dataclass(slots=True)
class _Story:
    swaps: Mapping[str, AttemptView]
    rounds: list[Round] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    resting_since: datetime | None = None
    # The round that has not ended.
    current: Round | None = None

    def read(self, event: OrderEvent) -> None:
        """Take up the next event."""
        if event.status is not Status.OPEN and self.resting_since is not None:
            self.rests.append(Rest(self.resting_since, event.at))
            self.resting_since = None
        match event.status:
            case Status.OPEN:
                self._end_round(event)
                self.resting_since = self.resting_since or event.at
            case Status.ROUTING if "amended" not in event.data:
                self._end_round(event)
                self.current = self._round(event)
            case Status.BUILDING:
                self.current = self.current or self._round(event)
                if "decision" in event.data:
                    self.current.decision, self.current.decided_at = recorded(event.data), event.at
            case Status.SUBMITTED:
                self.current = self.current or self._round(event)
                self.current.swap = self.swaps.get(event.signature or "")
            case status if is_terminal(status):
                self._end_round(event)

    def _round(self, event: OrderEvent) -> Round:
        begun = Round(event.attempt, event.at)
        self.rounds.append(begun)
        return begun

    def _end_round(self, event: OrderEvent) -> None:
        if self.current is not None and event.reason is not None:
            self.current.setback = _setback(event)
        self.current = None


def _setback(event: OrderEvent) -> Setback | None:
    if event.reason is None:
        return None
    following = {Status.ROUTING: Next.ANOTHER_ATTEMPT, Status.OPEN: Next.REST}.get(event.status, Next.END)
    return Setback(event.at, event.reason, str(event.data.get("detail", "")), following)


def _is_refusal(event: OrderEvent) -> bool:
    return event.status is Status.REJECTED and event.reason in REFUSALS | WALLET_REFUSALS
