"""The live panel of an order in the Temporal Web UI: where it stands and what became of each attempt, in words."""

from collections.abc import Sequence

from workflows.domain.lifecycle import Status, is_terminal
from workflows.domain.money import TokenAmount
from workflows.domain.order import OrderEvent
from workflows.messages import OrderState

# An order that rests and tries again for weeks is told by its newest attempts.
_MOST_ATTEMPTS = 10


class Attempts:
    """What became of the attempts, kept from the events as they come; those of an earlier run are not told."""

    def __init__(self) -> None:
        self._told: dict[int, str] = {}
        self._under_way: int | None = None

    def hear(self, event: OrderEvent) -> None:
        """Take the next event."""
        if event.status is Status.BUILDING:
            self._under_way = event.attempt
            self._told[event.attempt] = f"{event.venue} {event.data.get('kind', '')}"
        elif event.status is Status.SUBMITTED:
            self._under_way = event.attempt
            self._told[event.attempt] = f"{self._told.get(event.attempt, event.venue)}, signature `{event.signature}`"
        elif event.status is Status.CONFIRMED:
            self._end(event.attempt, "landed")
        elif event.reason is not None:
            # An attempt that had no route was the one before; a refusal at the very end counts as its own.
            before = event.attempt - 1 if event.status is Status.ROUTING else event.attempt
            self._end(max(1, before), ": ".join(filter(None, (event.reason, event.data.get("detail")))))

    def lines(self) -> list[str]:
        """One for each, first to last."""
        return [f"Attempt {number}: {told}" for number, told in self._told.items()]

    def _end(self, number: int, how: str) -> None:
        number, self._under_way = self._under_way or number, None
        self._told[number] = " → ".join(filter(None, (self._told.get(number), how)))
        while len(self._told) > _MOST_ATTEMPTS:
            del self._told[next(iter(self._told))]


def tell(state: OrderState, attempts: Sequence[str] = ()) -> str:
    """Markdown that an operator understands at a glance."""
    terms = state.terms
    lines = [f"**{terms.title}**: {state.status}" + (f" ({state.reason})" if state.reason else "")]
    if not is_terminal(state.status):
        lines.append(f"Attempt {state.attempt} of {terms.max_attempts}, {state.step}.")
    if state.decision:
        lines.append(state.decision.why)
    lines += attempts
    if state.fill:
        paid = TokenAmount(token=terms.token_in, base_units=state.fill.amount_in)
        received = TokenAmount(token=terms.token_out, base_units=state.fill.amount_out)
        lines.append(f"Paid {paid}, received {received} in slot {state.fill.slot}.")
    return "\n\n".join(lines)
