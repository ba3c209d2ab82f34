"""What an order must pass before it may trade: the rules over plain figures. Pure.

Each rule raises EngineError with a code of its own, or lets the order pass. A limit that is None does not apply.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from pydantic import BaseModel, ConfigDict

from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import Token, TokenAmount
from workflows.domain.order import OrderTerms
from workflows.domain.routing import Decision, PoolQuote, Route, VenueQuotes

# An order that one of these stops is `rejected`; where an attempt merely fails the order is `failed`.
REFUSALS = frozenset(
    {
        ErrorCode.TRADING_HALTED,
        ErrorCode.PAIR_NOT_ALLOWED,
        ErrorCode.VENUE_NOT_ALLOWED,
        ErrorCode.ACCOUNT_NOT_ALLOWED,
        ErrorCode.NOTIONAL_UNKNOWN,
        ErrorCode.NOTIONAL_TOO_LARGE,
        ErrorCode.DAILY_NOTIONAL_EXCEEDED,
        ErrorCode.PRICE_IMPACT_EXCEEDED,
        ErrorCode.PRICE_DEVIATION_EXCEEDED,
    }
)

# What the step that checks the risk refuses besides; elsewhere these are how an attempt failed.
WALLET_REFUSALS = frozenset({ErrorCode.INSUFFICIENT_FUNDS, ErrorCode.ACCOUNT_FROZEN, ErrorCode.WALLET_UNKNOWN})

# A quote that moves its pool's price by half says little about what the price was: it is no witness.
_WITNESS_IMPACT_BPS = 5_000

_WHOLE = 10_000
_BPS = Decimal("0.01")
_EXACT = Context(prec=40)
_SOL_DECIMALS = 9


class Halt(BaseModel):
    """An order to stop trading that is in force."""

    model_config = ConfigDict(frozen=True)

    by: str
    reason: str
    at: datetime

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"{self.by} halted trading at {self.at:%Y-%m-%d %H:%M:%S} UTC{why}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows. An empty list allows everything.

    Pairs are sets of two tokens, each by symbol (upper case) or mint. Notionals are in whole tokens of the reference
    token, prices in basis points.
    """

    pairs: frozenset[frozenset[str]] = frozenset()
    venues: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    price_impact_bps: Decimal | None = None
    price_deviation_bps: Decimal | None = None
    order_notional: Decimal | None = None
    daily_notional: Decimal | None = None

    @property
    def value_orders(self) -> bool:
        """Whether a limit asks for the value of orders."""
        return self.order_notional is not None or self.daily_notional is not None


@dataclass(frozen=True, slots=True)
class Prices:
    """How far a route moves the price, and how far it is from the other venue's; in basis points.

    `deviation_bps` is None when there was nothing to compare with, which `skipped` then says.
    """

    impact_bps: Decimal
    deviation_bps: Decimal | None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """What a swap takes from its wallet at most.

    `lamports` do not come back: fees, the rent of accounts to create, the SOL that is sold. `spare_lamports` must be
    there besides: rent that comes back in the same transaction, and what keeps the wallet itself rent-exempt.
    `tokens` in base units of the token sold, 0 for SOL.
    """

    lamports: int
    spare_lamports: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """What other unfinished orders may still take: of one wallet (`spare_lamports` is the most that one of them needs
    besides), and, in base units of the reference token, what an account sold and may sell today."""

    lamports: int
    spare_lamports: int
    tokens: int
    notional: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What an order asks to be reserved, of a wallet (address) that held so much as of `slot`.

    `mint` is that of the token sold. `notional` and `most_a_day` are in base units of the reference token; 0 when no
    limit asks for it, and None without a daily limit.
    """

    order_id: str
    attempt: int
    account: str
    wallet: str
    mint: str
    needs: Needs
    slot: int
    held_lamports: int
    held_tokens: int
    notional: int = 0
    most_a_day: int | None = None


def admit(limits: Limits, halt: Halt | None, terms: OrderTerms) -> None:
    """Refuse what needs no quote to be refused: `trading_halted`, `account_not_allowed`, `pair_not_allowed`."""
    if halt is not None:
        raise EngineError(ErrorCode.TRADING_HALTED, str(halt))
    if limits.accounts and terms.account not in limits.accounts:
        raise EngineError(ErrorCode.ACCOUNT_NOT_ALLOWED, f"account {terms.account!r} may not trade")
    if limits.pairs and not any(_is_pair(pair, terms) for pair in limits.pairs):
        pair = f"{terms.token_in.symbol}/{terms.token_out.symbol}"
        raise EngineError(ErrorCode.PAIR_NOT_ALLOWED, f"{pair} is not among the allowed pairs")


def _is_pair(pair: frozenset[str], terms: OrderTerms) -> bool:
    sold, bought = ({token.symbol.upper(), token.mint} for token in (terms.token_in, terms.token_out))
    return any({one, other} == pair for one in sold for other in bought)


def allowed_venues(limits: Limits, venues: tuple[VenueQuotes, ...]) -> tuple[VenueQuotes, ...]:
    """The quotes of the allowed venues, to choose among.

    Raises `venue_not_allowed` when only other venues quote; a venue that could not be read may still quote.
    """
    if not limits.venues:
        return venues
    allowed = tuple(each for each in venues if each.venue in limits.venues)
    others = [each.venue for each in venues if each.venue not in limits.venues and each.quotes]
    if others and not any(each.quotes or each.reason for each in allowed):
        raise EngineError(
            ErrorCode.VENUE_NOT_ALLOWED,
            f"only {' and '.join(others)} can fill the order; allowed are {', '.join(sorted(limits.venues))}",
        )
    return allowed


def check_prices(limits: Limits, decision: Decision) -> Prices:
    """Measure the route; raises `price_impact_exceeded` or `price_deviation_exceeded`.

    The impact of several legs is their mean, weighted by what they sell. The deviation compares prices before their
    impact, so that a venue with less liquidity does not pass for one with another price; the farthest leg counts.
    """
    route = decision.route
    impact = _EXACT.divide(
        sum((leg.price_impact_bps * leg.amount_in for leg in route.legs), Decimal(0)), Decimal(route.amount_in)
    ).quantize(_BPS, ROUND_HALF_EVEN)
    if limits.price_impact_bps is not None and impact > limits.price_impact_bps:
        raise EngineError(
            ErrorCode.PRICE_IMPACT_EXCEEDED,
            f"the order moves the price by {impact} bps, and at most {limits.price_impact_bps} are allowed",
        )
    deviations = [_deviation(leg, decision.others) for leg in route.legs]
    known = [each for each in deviations if each is not None]
    if len(known) < len(deviations):
        return Prices(impact, None, (f"price deviation: no other venue to compare {_alone(route)} with",))
    deviation = max(known)
    if limits.price_deviation_bps is not None and deviation > limits.price_deviation_bps:
        raise EngineError(
            ErrorCode.PRICE_DEVIATION_EXCEEDED,
            f"the price on {route.venue} is {deviation} bps from that of the other venue,"
            f" and at most {limits.price_deviation_bps} are allowed",
        )
    return Prices(impact, deviation)


def _alone(route: Route) -> str:
    return f"{route.venue} {route.kind}"


def _deviation(leg: PoolQuote, others: Iterable[PoolQuote]) -> Decimal | None:
    """Basis points between the leg's price and that of the other venue's best quote; None without one."""
    elsewhere = [quote for quote in others if quote.venue != leg.venue and _is_witness(quote)]
    if not elsewhere:
        return None
    witness = max(elsewhere, key=lambda quote: quote.amount_out)
    apart = abs(Fraction(_price_before(leg), _price_before(witness)) - 1) * _WHOLE
    return _EXACT.divide(Decimal(apart.numerator), Decimal(apart.denominator)).quantize(_BPS, ROUND_HALF_EVEN)


def _is_witness(quote: PoolQuote) -> bool:
    return quote.price_impact_bps < _WITNESS_IMPACT_BPS and quote.amount_in > 0 and quote.amount_out > 0


def _price_before(quote: PoolQuote) -> Fraction:
    """Output per input after the pool's fee, before the quote's own impact."""
    return Fraction(worth(quote), quote.amount_in)


def worth(quote: PoolQuote) -> Fraction:
    """What the input is worth in base units of the output token: the quote without its own impact on the price."""
    # Of a quote that takes nearly all there is the impact is rounded to everything.
    impact = min(Fraction(quote.price_impact_bps), Fraction(_WHOLE - 1))
    return Fraction(quote.amount_out * _WHOLE, _WHOLE - impact)


def check_order_notional(limits: Limits, notional: TokenAmount) -> None:
    """Raise `notional_too_large` when the order is worth more than one order may be."""
    most = limits.order_notional
    if most is not None and notional.base_units > limit_units(most, notional.token):
        raise EngineError(
            ErrorCode.NOTIONAL_TOO_LARGE,
            f"the order is worth {notional}, and one order may be worth {most:f} {notional.token.symbol}",
        )


def check_daily_notional(limits: Limits, account: str, notional: TokenAmount, reserved: Reserved) -> None:
    """Raise `daily_notional_exceeded` when the account's orders of the day would be worth more than allowed."""
    most, token = limits.daily_notional, notional.token
    if most is not None and reserved.notional + notional.base_units > limit_units(most, token):
        raise EngineError(
            ErrorCode.DAILY_NOTIONAL_EXCEEDED,
            f"the order is worth {notional}, account {account!r} has traded or promised"
            f" {token.format(reserved.notional)} today (UTC), and {most:f} a day are allowed",
        )


def limit_units(limit: Decimal, token: Token) -> int:
    """A limit in base units of the token, rounded down."""
    return int(limit.scaleb(token.decimals, Context(prec=100)))


def check_funds(terms: OrderTerms, claim: Claim, reserved: Reserved) -> None:
    """Raise `insufficient_funds` when the wallet does not hold what the order claims and others have reserved.

    Transactions run one after the other, so that of the spare lamports only the greatest count.
    """
    needs, lamports, tokens = claim.needs, claim.held_lamports, claim.held_tokens
    spare = max(needs.spare_lamports, reserved.spare_lamports)
    if reserved.lamports + needs.lamports + spare > lamports:
        raise EngineError(
            ErrorCode.INSUFFICIENT_FUNDS,
            f"wallet {terms.wallet!r} holds {_sol(lamports)}{_promised(_sol(reserved.lamports), reserved.lamports)},"
            f" and the order needs {_sol(needs.lamports)} with fees and rent, besides {_sol(spare)} in passing",
        )
    if reserved.tokens + needs.tokens > tokens:
        token = terms.token_in
        held, promised = (TokenAmount(token=token, base_units=units) for units in (tokens, reserved.tokens))
        raise EngineError(
            ErrorCode.INSUFFICIENT_FUNDS,
            f"wallet {terms.wallet!r} holds {held}{_promised(str(promised), reserved.tokens)},"
            f" and the order sells {token.format(needs.tokens)}",
        )


def _promised(amount: str, units: int) -> str:
    return f", of which {amount} are promised to other orders" if units else ""


def _sol(lamports: int) -> str:
    whole, fraction = divmod(lamports, 10**_SOL_DECIMALS)
    return f"{whole}.{fraction:0{_SOL_DECIMALS}d}".rstrip("0").rstrip(".") + " SOL"
