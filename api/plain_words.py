"""The story of an order in sentences that a trader understands. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from api.explanation import Explanation, Next, Round, Setback
from db.rows import AttemptView, RiskCheckView
from workflows.domain.attempt import OutcomeKind, against_quote_bps
from workflows.domain.error_table import TABLE
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.money import TokenAmount, plain, price
from workflows.domain.order import OrderTerms
from workflows.domain.routing import Decision

_LAMPORTS = 10**9

_STANDING = {
    Status.PENDING: "It is accepted and durable, and nothing has been done yet.",
    Status.OPEN: "It rests until its price is there.",
    Status.ROUTING: "Both venues are being asked for quotes.",
    Status.BUILDING: "Its swap is being checked, simulated and signed; nothing has been sent.",
    Status.SUBMITTED: "Its swap is signed and may land; the chain has not decided yet.",
    Status.PARTIALLY_FILLED: "Some of its parts have traded.",
    Status.PENDING_CANCEL: "It was canceled too late to be sure: its swap may still land, and the chain decides.",
    Status.CANCELED: "It was canceled; nothing traded.",
}


def summary(told: Explanation) -> list[str]:
    """What happened, in the order of its happening, how it ended, and what it came to."""
    return [*_story(told), *_end(told)]


def _story(told: Explanation) -> Iterator[str]:
    terms = told.view.terms
    yield f"The order, of {_time(terms.created_at)}: {terms.title}."
    yield from (_waited(rest.since, rest.until) for rest in told.rests)
    for each in told.rounds:
        yield from _round(each, terms, numbered=len(told.rounds) > 1)
    if told.check is not None:
        yield _checked(told.check)


def _round(told: Round, terms: OrderTerms, numbered: bool) -> Iterator[str]:
    attempt = f"Attempt {told.attempt}: " if numbered else ""
    if told.decision is not None:
        yield f"{attempt}{_looked_at(told.decision)}"
        yield from (f"{_capital(part)}." for part in told.decision.why.rstrip(".").split(". "))
    if told.swap is not None:
        yield _signed(told.swap, terms)
        yield _outcome(told.swap)
    if told.setback is not None and not _is_told(told):
        yield f"{attempt if told.decision is None else ''}{_failed(told.setback)}"
    if told.setback is not None:
        yield from _following(told.setback)


def _looked_at(decision: Decision) -> str:
    legs, split = decision.route.legs, len(decision.route.legs) > 1
    quoted = len(decision.others) + (0 if split else 1)
    slots = sorted({quote.slot for quote in (*legs, *decision.others)})
    where = f"slot {slots[0]}" if len(slots) == 1 else f"slots {slots[0]} to {slots[-1]}"
    refused = len(decision.refusals)
    left_out = f"; {_count(refused, 'pool')} gave no quote" if refused else ""
    return f"{_count(quoted, 'pool')} quoted in {where}{left_out}."


def _signed(attempt: AttemptView, terms: OrderTerms) -> str:
    swap = attempt.swap
    if swap.most_in is not None:
        guard = f"that pays at most {TokenAmount(token=terms.token_in, base_units=swap.most_in)}"
    else:
        guard = f"that receives at least {TokenAmount(token=terms.token_out, base_units=swap.least_out)}"
    return f"A swap {guard} was signed: {swap.signature}."


def _outcome(attempt: AttemptView) -> str:
    swap, outcome = attempt.swap, attempt.outcome
    if outcome is None:
        return f"What became of it is not known yet; it can land up to block {swap.last_valid_block_height}."
    if outcome.kind is OutcomeKind.EXPIRED:
        return f"It provably never landed: the chain has passed block {swap.last_valid_block_height} without it."
    after = ""
    if outcome.slot is not None and swap.signing_slot is not None:
        after = f", {_count(outcome.slot - swap.signing_slot, 'slot')} after the state it was signed on"
    if outcome.kind is OutcomeKind.LANDED:
        return f"It landed in slot {outcome.slot}{after}."
    why = f": {_meaning(outcome.reason)}" if outcome.reason else ""
    return f"It failed on the chain in slot {outcome.slot}{after}; nothing traded but its fee{why}."


def _is_told(told: Round) -> bool:
    """Whether the outcome of the swap has already said why the round failed."""
    outcome = told.swap.outcome if told.swap is not None else None
    return outcome is not None and told.setback is not None and outcome.reason is told.setback.reason


def _failed(setback: Setback) -> str:
    detail = f" ({setback.detail.rstrip('.')})" if setback.detail else ""
    return f"It did not trade, {setback.reason}: {_meaning(setback.reason)}{detail}."


def _following(setback: Setback) -> Iterator[str]:
    if setback.next is Next.ANOTHER_ATTEMPT:
        yield "Both venues were asked again."
    elif setback.next is Next.REST:
        yield "The order went back to waiting."


def _checked(check: RiskCheckView) -> str:
    parts = [f"moves the price by {check.price_impact_bps} bps"]
    if check.price_deviation_bps is not None:
        parts.append(f"is {check.price_deviation_bps} bps from the other venue's price")
    if check.notional is not None:
        parts.append(f"is worth {check.notional}")
    skipped = f" Not checked: {'; '.join(check.skipped)}." if check.skipped else ""
    return f"It passed the risk checks: it {_listed(parts)}, and the wallet holds what it takes.{skipped}"


def _end(told: Explanation) -> Iterator[str]:
    view = told.view
    if told.refusal is not None:
        yield f"A check refused it, {told.refusal.reason}: {_meaning(told.refusal.reason)}."
    if view.status is Status.CONFIRMED:
        yield from _filled(told)
    elif view.status in _STANDING:
        yield _STANDING[view.status]
    else:
        yield f"It ended as {view.status} and traded nothing."
    if view.reason is not None and told.ended_at is not None:
        yield f"What to do: {TABLE[view.reason].advice}"


def _filled(told: Explanation) -> Iterator[str]:
    terms, fill, landed = told.view.terms, told.view.fill, told.landed
    if fill is None:
        return
    paid = TokenAmount(token=terms.token_in, base_units=fill.amount_in)
    received = TokenAmount(token=terms.token_out, base_units=fill.amount_out)
    found = price(paid, received)
    each = f", {plain(found)} {terms.token_out.symbol} for each {terms.token_in.symbol}" if found is not None else ""
    yield f"It paid {paid} and received {received}{each}."
    against = against_quote_bps(landed.swap, fill) if landed is not None else None
    if against is not None:
        compared = f"{abs(against)} bps {'better' if against > 0 else 'worse'} than" if against else "exactly as"
        yield f"That is {compared} quoted when it was signed; up to {terms.slippage_bps} bps worse were allowed."
    yield f"The network's fee was {_sol(fill.fee_lamports)} SOL."


def _waited(since: datetime, until: datetime | None) -> str:
    if until is None:
        return f"It has been waiting since {_time(since)}."
    return f"It waited {_length(until - since)}."


def _meaning(code: ErrorCode) -> str:
    """What a code means, as part of a sentence."""
    text = TABLE[code].meaning.rstrip(".")
    return text if text[1].isupper() else text[0].lower() + text[1:]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _length(time: timedelta) -> str:
    """A length of time, to the two largest of its units that are not nothing."""
    seconds = int(time.total_seconds())
    if seconds < 1:
        return "less than a second"
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    units = ((days, "day"), (hours, "hour"), (minutes, "minute"), (seconds, "second"))
    return " and ".join([_count(number, unit) for number, unit in units if number][:2])


def _sol(lamports: int) -> str:
    whole, fraction = divmod(lamports, _LAMPORTS)
    return f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
