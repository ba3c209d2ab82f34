"""Fetch a venue's quotes: every pool of the pair, all at one slot, this worker's unlanded swaps priced in."""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from solders.pubkey import Pubkey
from temporalio import activity

from activities.in_flight import InFlight
from activities.pools import Pair, PairState, PoolReader, PoolState
from activities.solana.rpc import ChainUnavailable
from activities.venues.errors import MissingAccounts, SwapRefused, Unsupported, VenueError
from activities.venues.impact import price_impact
from activities.venues.pool import Clock, Mode, Pool, Quote, Swap
from activities.venues.split import best_split
from workflows.domain.errors import ErrorCode
from workflows.domain.routing import PoolQuote, PoolRefusal, Venue, VenueQuotes
from workflows.messages import QuoteRequest

VENUES = tuple(Venue)

# A walk past what was fetched asks for more accounts; deeper ones could not be carried by a transaction anyway.
_WALK_ROUNDS = 4

_BPS = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class QuotedPool:
    """A pool that quotes, with the state and quote that a swap instruction is built from.

    `lookup_table` is the address lookup table that holds the pool's accounts, if the registry names one.
    """

    pool: Pool
    quote: Quote
    clock: Clock
    lookup_table: Pubkey | None = None

    def report(self) -> PoolQuote:
        """The quote for the router and the trader."""
        quote, pool = self.quote, self.pool
        fee_mint = pool.mint_in(quote.swap) if quote.fee_on_input else pool.mint_out(quote.swap)
        impact = price_impact(pool, quote) * 10_000
        return PoolQuote(
            venue=pool.kind.venue,
            kind=pool.kind.name,
            pool=str(pool.address),
            amount_in=quote.amount_in,
            amount_out=quote.amount_out,
            fee=quote.fee,
            fee_mint=str(fee_mint.address),
            price_impact_bps=Context(prec=40)
            .divide(Decimal(impact.numerator), Decimal(impact.denominator))
            .quantize(_BPS, ROUND_HALF_EVEN),
            compute_units=quote.compute_units,
            slot=self.clock.slot,
        )


class Quoter:
    """Quotes pools of a pair from shared states."""

    def __init__(self, pools: PoolReader, in_flight: InFlight) -> None:
        self._pools = pools
        self._in_flight = in_flight

    async def venue(self, venue: str, request: QuoteRequest) -> VenueQuotes:
        """Every pool of the venue; a venue that cannot be read is an answer with its reason."""
        return (await self.look(venue, request))[0]

    async def look(self, venue: str, request: QuoteRequest) -> tuple[VenueQuotes, Sequence[QuotedPool]]:
        """Every pool of the venue, and the states that those which quote were quoted at, best first."""
        pair = Pair.of(request.token_in.mint, request.token_out.mint)
        try:
            state = await self._pools.read(pair)
            for _ in range(_WALK_ROUNDS):
                of_venue = [pool for pool in state.pools if pool.ref.kind.venue == venue]
                results = [self.pool(pool, state, request) for pool in of_venue]
                missing = {
                    pool.ref.address: result.keys
                    for pool, result in zip(of_venue, results, strict=True)
                    if isinstance(result, MissingAccounts)
                }
                if not missing:
                    break
                state = await self._pools.read_further(pair, missing)
        except ChainUnavailable as error:
            return VenueQuotes(venue=venue, reason=ErrorCode.CHAIN_UNAVAILABLE, detail=str(error)), ()
        except ConnectionError as error:
            return VenueQuotes(venue=venue, reason=ErrorCode.QUOTE_UNAVAILABLE, detail=f"pool registry: {error}"), ()
        quoted = sorted(
            (result for result in results if isinstance(result, QuotedPool)),
            key=lambda found: -found.quote.amount_out if request.amount_out is None else found.quote.amount_in,
        )
        answer = VenueQuotes(
            venue=venue,
            slot=state.clock.slot,
            quotes=tuple(found.report() for found in quoted),
            refusals=tuple(
                _refusal(pool, result)
                for pool, result in zip(of_venue, results, strict=True)
                if isinstance(result, VenueError)
            ),
        )
        return answer, quoted

    def pool(
        self, state: PoolState, pair: PairState, request: QuoteRequest, memo: str | None = None
    ) -> QuotedPool | VenueError:
        """One pool's quote, behind the swaps decided on before that of `memo`, or why there is none."""
        if state.pool is None:
            return state.refusal or VenueError("not decoded")
        pool = self._in_flight.ahead_of(state.pool, pair.clock, memo)
        a_to_b = str(pool.mint_a.address) == request.token_in.mint
        try:
            quote = pool.quote(swap_of(request, a_to_b), pair.clock)
        except VenueError as error:
            return error
        if quote.amount_out == 0:
            return SwapRefused("ZeroOutput")
        if quote.amount_in == 0:
            return SwapRefused("ZeroInput")
        return QuotedPool(pool, quote, pair.clock, state.ref.lookup_table)

    async def split(
        self, request: QuoteRequest, venues: Collection[str] = VENUES
    ) -> tuple[QuotedPool, QuotedPool] | None:
        """The two pools of the venues that pay most for the pair together, each quoted for its part.

        None when no two can. Raises ChainUnavailable or ConnectionError.
        """
        state = await self._pools.read(Pair.of(request.token_in.mint, request.token_out.mint))
        usable, curves = [], []
        for found in state.pools:
            if found.pool is None or found.ref.kind.venue not in venues:
                continue
            pool = self._in_flight.ahead_of(found.pool, state.clock)
            a_to_b = str(pool.mint_a.address) == request.token_in.mint
            with contextlib.suppress(VenueError):
                curves.append(pool.curve(a_to_b, state.clock))
                usable.append((pool, a_to_b, found.ref.lookup_table))
        split = best_split(curves, request.amount_in)
        if split is None:
            return None
        chosen = (usable[index] for index in split.indexes)
        first, second = (
            QuotedPool(pool, pool.quote(Swap(a_to_b, Mode.EXACT_IN, amount), state.clock), state.clock, table)
            for (pool, a_to_b, table), amount in zip(chosen, split.amounts, strict=True)
        )
        return first, second

    def decided(self, memo: str, parts: Sequence[QuotedPool]) -> None:
        """Later quotes stand behind these swaps from now on."""
        self._in_flight.add(memo, {part.pool.address: part.quote.swap for part in parts}, parts[0].clock)

    async def one(self, address: Pubkey, request: QuoteRequest, memo: str | None = None) -> QuotedPool:
        """The quote of one pool, freshly read, for the swap of `memo`.

        Raises VenueError, ChainUnavailable or ConnectionError.
        """
        pair = Pair.of(request.token_in.mint, request.token_out.mint)
        state = await self._pools.read(pair)
        for _ in range(_WALK_ROUNDS):
            found = next((pool for pool in state.pools if pool.ref.address == address), None)
            if found is None:
                raise Unsupported("pool_removed", f"{address} is no longer registered")
            result = self.pool(found, state, request, memo)
            if isinstance(result, QuotedPool):
                return result
            if not isinstance(result, MissingAccounts):
                raise result
            state = await self._pools.read_further(pair, {address: result.keys})
        raise Unsupported("walk_too_long", f"{address} asks for ever more accounts")


def swap_of(request: QuoteRequest, a_to_b: bool) -> Swap:
    """What is asked of a pool: the output of the whole input, or the input for the whole output."""
    if request.amount_out is None:
        return Swap(a_to_b, Mode.EXACT_IN, request.amount_in)
    return Swap(a_to_b, Mode.EXACT_OUT, request.amount_out)


class QuoteActivities:
    """The quote steps of a workflow."""

    def __init__(self, quoter: Quoter) -> None:
        self._quoter = quoter

    @activity.defn
    async def fetch_raydium_quote(self, request: QuoteRequest) -> VenueQuotes:
        """Quote every Raydium pool of the pair at one slot."""
        return await self._quoter.venue("raydium", request)

    @activity.defn
    async def fetch_meteora_quote(self, request: QuoteRequest) -> VenueQuotes:
        """Quote every Meteora pool of the pair at one slot."""
        return await self._quoter.venue("meteora", request)

    @activity.defn
    async def compare_quotes(self, request: QuoteRequest) -> tuple[VenueQuotes, ...]:
        """Quote every pool of both venues at one slot, for a comparison without an order."""
        return tuple([await self._quoter.venue(venue, request) for venue in VENUES])


def _refusal(state: PoolState, error: VenueError) -> PoolRefusal:
    reason = error.name if isinstance(error, SwapRefused) else str(error)
    kind = state.ref.kind
    return PoolRefusal(venue=kind.venue, kind=kind.name, pool=str(state.ref.address), reason=reason)
