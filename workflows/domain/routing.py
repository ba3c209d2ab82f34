"""Which pool fills the order: quotes of both venues in, one decision with its reasons out. Pure and deterministic."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from itertools import permutations
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import BaseUnits, Token

# Events show decisions to clients in camelCase, and are read back from there.
_Frozen = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

# A gain is shown in basis points with two decimals.
_BPS = Decimal("0.01")


class Venue(StrEnum):
    """Where pools are."""

    RAYDIUM = "raydium"
    METEORA = "meteora"


class PoolQuote(BaseModel):
    """What one pool gives for the order at `slot`.

    Amounts in base units at the trader's token accounts. `fee` is the pool's trading fee in base units of
    `fee_mint`. `price_impact_bps` is how much worse than the pool's marginal price the curve fills, fees excluded.
    `compute_units` is the estimate for the swap instruction.
    """

    model_config = _Frozen

    venue: str
    kind: str
    pool: str
    amount_in: BaseUnits
    amount_out: BaseUnits
    fee: BaseUnits
    fee_mint: str
    price_impact_bps: Decimal
    compute_units: int
    slot: int


class PoolRefusal(BaseModel):
    """A pool that gives no quote, and why: the program's error name or the engine's reason."""

    model_config = _Frozen

    venue: str
    kind: str
    pool: str
    reason: str


class UnreadVenue(BaseModel):
    """A venue that could not be quoted at all: `reason` is an error code, `detail` says it in plain words."""

    model_config = _Frozen

    venue: str
    reason: ErrorCode
    detail: str


class VenueQuotes(BaseModel):
    """One venue's answer: every pool of the pair at one slot, best first.

    `reason` is an error code when the venue could not be quoted at all, with `detail` in plain words.
    """

    model_config = _Frozen

    venue: str
    slot: int | None = None
    quotes: tuple[PoolQuote, ...] = ()
    refusals: tuple[PoolRefusal, ...] = ()
    reason: ErrorCode | None = None
    detail: str = ""


class Route(BaseModel):
    """How the order is filled: one leg, or several in one atomic transaction. Legs are quoted at their own amounts."""

    model_config = _Frozen

    legs: tuple[PoolQuote, ...] = Field(min_length=1)

    @property
    def amount_in(self) -> int:
        """Base units of the input token over all legs."""
        return sum(leg.amount_in for leg in self.legs)

    @property
    def amount_out(self) -> int:
        """Base units of the output token over all legs."""
        return sum(leg.amount_out for leg in self.legs)

    @property
    def venue(self) -> str:
        """The venue's name, or the names of all of them joined by "+"."""
        return "+".join(dict.fromkeys(leg.venue for leg in self.legs))

    @property
    def kind(self) -> str:
        """The pool kinds of the legs, joined by "+"."""
        return "+".join(leg.kind for leg in self.legs)

    @property
    def pool(self) -> str:
        """The pool addresses of the legs, joined by "+"."""
        return "+".join(leg.pool for leg in self.legs)


def venues_with(venue: Venue) -> list[str]:
    """What `Route.venue` may say of a route with a leg on this venue."""
    joined = ("+".join(each) for count in range(1, len(Venue) + 1) for each in permutations(Venue, count))
    return [name for name in joined if venue in name.split("+")]


class Decision(BaseModel):
    """The chosen route, the single pools it beat (best first), and why.

    `gain_bps` is what the route pays over the best of `others`, or exact out costs less; None without others. Events of
    old do not hold the `unread` venues, only what `why` says of them.
    """

    model_config = _Frozen

    route: Route
    others: tuple[PoolQuote, ...]
    refusals: tuple[PoolRefusal, ...]
    gain_bps: Decimal | None
    why: str
    unread: tuple[UnreadVenue, ...] = ()


class PoolCurve(BaseModel):
    """What one pool pays for each of the sizes, base units; None where it gives no quote."""

    model_config = _Frozen

    pool: str
    amounts_out: tuple[BaseUnits | None, ...]


class PriceCurves(BaseModel):
    """What pools pay for `sizes` (exact in, base units) in the states that a decision was made in."""

    model_config = _Frozen

    sizes: tuple[BaseUnits, ...] = ()
    pools: tuple[PoolCurve, ...] = ()


def told(decision: Decision, token_out: Token, curves: PriceCurves | None = None) -> dict[str, Any]:
    """The decision as data of its event: the main facts, the whole of it in base units, and the pools' curves.

    The curves stand beside the decision and not in it: later steps take the decision, and need no picture.
    """
    route = decision.route
    drawn = {} if curves is None else {"curves": curves.model_dump(mode="json", by_alias=True)}
    return {
        "kind": route.kind,
        "pool": route.pool,
        "quotedOut": token_out.format(route.amount_out),
        "why": decision.why,
        "decision": decision.model_dump(mode="json", by_alias=True),
        **drawn,
    }


def recorded(data: dict[str, Any]) -> Decision:
    """The decision back from the data of its event."""
    return Decision.model_validate(data["decision"])


def choose(venues: tuple[VenueQuotes, ...], token_in: Token, token_out: Token, exact_out: bool = False) -> Decision:
    """Choose the pool that pays most, exact out the one that costs least.

    Between equals the cheaper to run, then the smaller address.

    Raises EngineError when no venue quotes: `quote_unavailable` when one could not be read, since it may still
    have the liquidity, else why the pair cannot trade.
    """
    quotes = sorted(
        (quote for venue in venues for quote in venue.quotes),
        key=lambda quote: (quote.amount_in if exact_out else -quote.amount_out, quote.compute_units, quote.pool),
    )
    if not quotes:
        raise _no_quote(venues)
    chosen, others = quotes[0], tuple(quotes[1:])
    if not others:
        gain = None
    elif exact_out:
        gain = _saved_bps(chosen.amount_in, others[0].amount_in)
    else:
        gain = _gain_bps(chosen.amount_out, others[0].amount_out)
    return Decision(
        route=Route(legs=(chosen,)),
        others=others,
        refusals=tuple(refusal for venue in venues for refusal in venue.refusals),
        gain_bps=gain,
        why=_why(chosen, others, gain, venues, (token_in, token_out), exact_out),
        unread=tuple(
            UnreadVenue(venue=each.venue, reason=each.reason, detail=each.detail)
            for each in venues
            if each.reason is not None
        ),
    )


def prefer_split(
    single: Decision, legs: tuple[PoolQuote, ...], extra_cost: int, least_gain_bps: Decimal, tokens: tuple[Token, Token]
) -> Decision:
    """The decision for the legs together if they gain enough over the single pool, else the single one.

    `extra_cost` is what the further leg costs in fees, in base units of the output token; the gain counts after it.
    """
    best = single.route.legs[0]
    route = Route(legs=legs)
    gain = _gain_bps(route.amount_out - extra_cost, best.amount_out)
    if gain is None or gain < least_gain_bps:
        return single
    token_in, token_out = tokens
    shares = " and ".join(
        f"{token_in.format(leg.amount_in)} {token_in.symbol} on {leg.venue} {leg.kind}" for leg in legs
    )
    return Decision(
        route=route,
        others=(best, *single.others),
        refusals=single.refusals,
        gain_bps=gain,
        why=f"{shares} together pay {token_out.format(route.amount_out)} {token_out.symbol},"
        f" {gain} bps more than {best.venue} {best.kind} alone; {single.why}",
        unread=single.unread,
    )


def _no_quote(venues: tuple[VenueQuotes, ...]) -> EngineError:
    failed = [venue for venue in venues if venue.reason is not None]
    if failed:
        return EngineError(ErrorCode.QUOTE_UNAVAILABLE, "; ".join(f"{v.venue}: {v.detail}" for v in failed))
    refusals = [refusal for venue in venues for refusal in venue.refusals]
    if refusals:
        listed = "; ".join(f"{refusal.venue} {refusal.kind} {refusal.pool}: {refusal.reason}" for refusal in refusals)
        return EngineError(ErrorCode.LIQUIDITY_INSUFFICIENT, f"no pool can fill the order: {listed}")
    return EngineError(ErrorCode.PAIR_UNSUPPORTED, "no registered pool trades this pair")


def behind_bps(route: Route, other: PoolQuote, exact_out: bool) -> Decimal | None:
    """How much worse another pool fills the order than the route, in basis points of what the route gives or takes."""
    if exact_out:
        return _gain_bps(other.amount_in, route.amount_in)
    return _saved_bps(other.amount_out, route.amount_out)


def _gain_bps(amount_out: int, other: int) -> Decimal | None:
    if other == 0:
        return None
    ratio = Context(prec=40).divide(Decimal(amount_out - other) * 10_000, Decimal(other))
    return ratio.quantize(_BPS, ROUND_HALF_EVEN)


def _saved_bps(amount_in: int, other: int) -> Decimal | None:
    if other == 0:
        return None
    ratio = Context(prec=40).divide(Decimal(other - amount_in) * 10_000, Decimal(other))
    return ratio.quantize(_BPS, ROUND_HALF_EVEN)


def _why(
    chosen: PoolQuote,
    others: tuple[PoolQuote, ...],
    gain: Decimal | None,
    venues: tuple[VenueQuotes, ...],
    tokens: tuple[Token, Token],
    exact_out: bool,
) -> str:
    token_in, token_out = tokens
    paid = f"{token_in.format(chosen.amount_in)} {token_in.symbol}"
    received = f"{token_out.format(chosen.amount_out)} {token_out.symbol}"
    terms = f"asks {paid} for {received}" if exact_out else f"pays {received} for {paid}"
    pays = f"{chosen.venue} {chosen.kind} {terms}"
    if others:
        second, better = others[0], "less" if exact_out else "more"
        beats = f", {gain} bps {better} than {second.venue} {second.kind}" if gain is not None else ""
        reason = f"{pays}{beats}; best of {len(others) + 1} pools"
    else:
        reason = f"{pays}; the only pool that quotes"
    missing = "; ".join(f"{venue.venue} was not quoted: {venue.detail}" for venue in venues if venue.reason is not None)
    return f"{reason}. {missing}." if missing else f"{reason}."
