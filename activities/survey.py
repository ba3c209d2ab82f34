"""Survey the pools of a pair: price, depth, fee, and what each pays for sizes small and large, all at one slot."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from solders.pubkey import Pubkey
from temporalio import activity

from activities.in_flight import InFlight
from activities.pools import Pair, PairState, PoolReader, PoolState
from activities.solana.rpc import ChainUnavailable
from activities.venues.errors import MissingAccounts, SwapRefused, VenueError
from activities.venues.pool import Clock, Mode, Pool, Swap
from workflows.domain.errors import ErrorCode
from workflows.messages import PairSurvey, SurveyedPool, SurveyPair

# Eight sizes to a decade, evenly spread (powers of the eighth root of ten, in hundredths).
_MANTISSAS = (100, 133, 178, 237, 316, 422, 562, 750)
_DECADES = 5

# The largest size is at most this part of the deepest reserve: it moves even that pool by several percent.
_LARGEST_PART = 10

# A walk past what was fetched asks for more accounts.
_WALK_ROUNDS = 4

_PRICE = Context(prec=18)
_BPS = Decimal("0.01")


class SurveyActivities:
    """The step of the survey workflow. Swaps of this worker that have not landed are priced in, as in its quotes."""

    def __init__(self, pools: PoolReader, in_flight: InFlight) -> None:
        self._pools = pools
        self._in_flight = in_flight

    @activity.defn
    async def survey_pair(self, request: SurveyPair) -> PairSurvey:
        """Every pool of the pair, by what it is; a pair that cannot be read is an answer with its reason."""
        pair = Pair.of(request.token_in.mint, request.token_out.mint)
        try:
            state = await self._pools.read(pair)
            for _ in range(_WALK_ROUNDS):
                survey, missing = self._survey(state, request.token_in.mint)
                if not missing:
                    break
                state = await self._pools.read_further(pair, missing)
        except ChainUnavailable as error:
            return PairSurvey(reason=ErrorCode.CHAIN_UNAVAILABLE, detail=str(error))
        except ConnectionError as error:
            return PairSurvey(reason=ErrorCode.QUOTE_UNAVAILABLE, detail=f"pool registry: {error}")
        return survey

    def _survey(self, state: PairState, mint_in: str) -> tuple[PairSurvey, dict[Pubkey, frozenset[Pubkey]]]:
        pools = [
            (found, self._in_flight.ahead_of(found.pool, state.clock) if found.pool else None) for found in state.pools
        ]
        sizes = _sizes(_reserves(pool, mint_in)[0] for _, pool in pools if pool is not None)
        missing: dict[Pubkey, frozenset[Pubkey]] = {}
        surveyed = []
        for found, pool in pools:
            if pool is None:
                surveyed.append(_unread(found))
                continue
            told, keys = _look(pool, mint_in, sizes, state.clock)
            surveyed.append(told)
            if keys:
                missing[found.ref.address] = keys
        return PairSurvey(slot=state.clock.slot, sizes=sizes, pools=tuple(surveyed)), missing


def _sizes(reserves: Iterable[int]) -> tuple[int, ...]:
    """Sizes over five decades, up to a power of ten; fewer where the token has not so many units."""
    largest = max(reserves, default=0) // _LARGEST_PART
    top = len(str(largest)) - 1
    # Below a hundred units the mantissas are no whole numbers.
    bottom = max(2, top - _DECADES)
    if largest < 100:
        return ()
    steps = [mantissa * 10 ** (decade - 2) for decade in range(bottom, top) for mantissa in _MANTISSAS]
    return (*steps, 10**top)


def _look(pool: Pool, mint_in: str, sizes: Sequence[int], clock: Clock) -> tuple[SurveyedPool, frozenset[Pubkey]]:
    """What the pool tells, and the accounts that its walks still need."""
    a_to_b = str(pool.mint_a.address) == mint_in
    reserve_in, reserve_out = _reserves(pool, mint_in)
    reason = pool.unavailable(clock)
    amounts: tuple[int | None, ...] = (None,) * len(sizes)
    missing: frozenset[Pubkey] = frozenset()
    price = None
    try:
        price = _price(pool, a_to_b)
        if reason is None:
            amounts, missing = _amounts(pool, a_to_b, sizes, clock)
    except MissingAccounts as error:
        reason, missing = "needs_more_accounts", frozenset(error.keys)
    except VenueError as error:
        reason = error.name if isinstance(error, SwapRefused) else str(error)
    told = SurveyedPool(
        venue=pool.kind.venue,
        kind=pool.kind.name,
        pool=str(pool.address),
        price=price,
        reserve_in=reserve_in,
        reserve_out=reserve_out,
        fee_bps=_fee_bps(pool, a_to_b, _middle(sizes, amounts), clock),
        amounts_out=amounts,
        reason=reason,
    )
    return told, missing


def _amounts(
    pool: Pool, a_to_b: bool, sizes: Sequence[int], clock: Clock
) -> tuple[tuple[int | None, ...], frozenset[Pubkey]]:
    curve = pool.curve(a_to_b, clock)
    amounts: list[int | None] = []
    missing: set[Pubkey] = set()
    for size in sizes:
        try:
            # A swap that pays nothing is none.
            amounts.append(curve.amount_out(size) or None)
        except MissingAccounts as error:
            missing.update(error.keys)
            amounts.append(None)
        except SwapRefused:
            amounts.append(None)
    return tuple(amounts), frozenset(missing)


def _middle(sizes: Sequence[int], amounts: Sequence[int | None]) -> int | None:
    """The middle one of the sizes that the pool answers."""
    answered = [size for size, amount in zip(sizes, amounts, strict=True) if amount is not None]
    return answered[len(answered) // 2] if answered else None


def _fee_bps(pool: Pool, a_to_b: bool, size: int | None, clock: Clock) -> Decimal | None:
    if size is None:
        return None
    try:
        quote = pool.quote(Swap(a_to_b, Mode.EXACT_IN, size), clock)
    except VenueError:
        return None
    taken_from = quote.amount_in if quote.fee_on_input else quote.amount_out + quote.fee
    return _PRICE.divide(Decimal(quote.fee * 10_000), Decimal(taken_from)).quantize(_BPS, ROUND_HALF_EVEN)


def _reserves(pool: Pool, mint_in: str) -> tuple[int, int]:
    """Of the token that is sold and of the one that is bought."""
    of_a, of_b = pool.reserves()
    return (of_a, of_b) if str(pool.mint_a.address) == mint_in else (of_b, of_a)


def _price(pool: Pool, a_to_b: bool) -> Decimal | None:
    spot = pool.spot_price()
    if spot == 0:
        return None
    price = spot if a_to_b else Fraction(spot.denominator, spot.numerator)
    return _PRICE.divide(Decimal(price.numerator), Decimal(price.denominator))


def _unread(found: PoolState) -> SurveyedPool:
    kind = found.ref.kind
    return SurveyedPool(
        venue=kind.venue, kind=kind.name, pool=str(found.ref.address), reason=str(found.refusal or "not decoded")
    )
