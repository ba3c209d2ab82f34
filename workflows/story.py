"""The live panel of an order in the Temporal Web UI: where it stands, in words."""

from workflows.domain.lifecycle import is_terminal
from workflows.domain.money import TokenAmount
from workflows.messages import OrderState


def tell(state: OrderState) -> str:
    """Markdown that an operator understands at a glance."""
    terms = state.terms
    lines = [f"**{terms.title}**: {state.status}" + (f" ({state.reason})" if state.reason else "")]
    if not is_terminal(state.status):
        lines.append(f"Attempt {state.attempt} of {terms.max_attempts}, {state.step}.")
    if state.decision:
        lines.append(state.decision.why)
    if state.prepared:
        lines.append(f"Signature of attempt {state.prepared.swap.attempt}: `{state.prepared.swap.signature}`")
    if state.fill:
        paid = TokenAmount(token=terms.token_in, base_units=state.fill.amount_in)
        received = TokenAmount(token=terms.token_out, base_units=state.fill.amount_out)
        lines.append(f"Paid {paid}, received {received} in slot {state.fill.slot}.")
    return "\n\n".join(lines)
