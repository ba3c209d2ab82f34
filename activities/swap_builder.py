"""Build one swap transaction from a route: fresh pool state, guard, accounts, simulation, price, signature."""

import asyncio
import base64
import contextlib
from collections.abc import Iterable, Sequence

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.holdings import Holding, Holdings, check_funds
from activities.quotes import QuotedPool, Quoter
from activities.solana.failures import explain, explain_refusal
from activities.solana.fees import Fees, PriorityFees
from activities.solana.lookup_tables import LookupTables
from activities.solana.rpc import Blockhash, ChainUnavailable, SolanaRpc
from activities.solana.shared import Shared
from activities.solana.transaction import LAMPORTS_PER_SIGNATURE, SwapTransaction, priority_fee
from activities.solana.wallets import Wallets
from activities.venues.errors import VenueError
from activities.venues.pool import MAX_COMPUTE_UNITS, Mode, UserAccounts
from workflows.domain.attempt import SwapAttempt
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.guard import least_outputs, most_inputs
from workflows.domain.ids import memo
from workflows.domain.order import OrderTerms
from workflows.domain.routing import PoolQuote, Route
from workflows.messages import PreparedSwap, QuoteRequest

# Creating, wrapping and closing token accounts and the memo took up to 60,000 in executed swaps, with room to spare.
_OTHER_COMPUTE_UNITS = 120_000

# A limit takes eight bytes whatever its value.
_LONGEST_LIMIT = 1

# Stands in for the trader where only the pools' side of a swap matters.
_NOBODY = UserAccounts(Pubkey.default(), Pubkey.default(), Pubkey.default())


class SwapBuilder:
    """Turns a route into signed bytes."""

    def __init__(self, rpc: SolanaRpc, quoter: Quoter, wallets: Wallets, fees: Fees, max_age: float) -> None:
        self._rpc = rpc
        self._quoter = quoter
        self._wallets = wallets
        self._fees = fees
        self._priority_fees = PriorityFees(rpc, fees)
        self._blockhash: Shared[None, Blockhash] = Shared(lambda _: rpc.latest_blockhash(), max_age)
        self._holdings = Holdings(rpc, max_age)
        self._lookup_tables = LookupTables(rpc)
        self._reading: set[asyncio.Task[None]] = set()

    async def prepare(self, terms: OrderTerms, attempt: int, route: Route) -> PreparedSwap:
        """The signed swap of an attempt; raises EngineError with the reason why there is none."""
        try:
            return await self._prepare(terms, attempt, route)
        except VenueError as error:
            raise EngineError(ErrorCode.POOL_UNAVAILABLE, f"the chosen pool no longer quotes: {error}") from error
        except ChainUnavailable as error:
            raise EngineError(explain_refusal(error.code), str(error)) from error
        except ConnectionError as error:
            raise EngineError(ErrorCode.QUOTE_UNAVAILABLE, f"pool registry: {error}") from error

    async def fits(self, terms: OrderTerms, parts: Sequence[QuotedPool]) -> bool:
        """Whether swaps of all parts fit one transaction, by size and compute units; raises EngineError."""
        if sum(part.quote.compute_units for part in parts) > MAX_COMPUTE_UNITS - _OTHER_COMPUTE_UNITS:
            return False
        amount_in = sum(part.quote.amount_in for part in parts)
        wallet, tables = await asyncio.gather(self._holding(terms, terms.max_attempts, amount_in), self._tables(parts))
        guarded = [(part, _LONGEST_LIMIT) for part in parts]
        return self._assemble(terms, terms.max_attempts, guarded, wallet, tables).excess is None

    async def priority_fee(self, parts: Sequence[QuotedPool], attempt: int, units: int) -> int:
        """Lamports that so many compute units cost on top in a swap of these parts."""
        swaps = _swaps([(part, _LONGEST_LIMIT) for part in parts], _NOBODY)
        return priority_fee(units, await self._priority_fees.price(_contended(swaps, _NOBODY), attempt))

    def expect(self, terms: OrderTerms) -> None:
        """A swap of this order will be prepared in a moment: begin to read what that will ask for."""
        task = asyncio.create_task(self._read_ahead(terms))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read_ahead(self, terms: OrderTerms) -> None:
        # A failure shows again, and is told, where the answer is needed.
        with contextlib.suppress(EngineError, ChainUnavailable):
            await asyncio.gather(
                self._holdings.read(terms, self._wallets.address(terms.wallet)), self._blockhash.get(None)
            )

    async def _prepare(self, terms: OrderTerms, attempt: int, route: Route) -> PreparedSwap:
        # Two rounds with the node, whatever is cold: what can be asked at once, then the simulation with the price.
        # All that the swap may take has to be there: exact out, that is as much as the order allows.
        most_in = terms.amount_in if terms.exact_out else route.amount_in
        (parts, tables), wallet, blockhash = await asyncio.gather(
            self._fresh(terms, attempt, route),
            self._holding(terms, attempt, most_in),
            self._blockhash.get(None),
        )
        guarded = list(zip(parts, _guards(route.legs, parts, terms), strict=True))
        transaction = self._assemble(terms, attempt, guarded, wallet, tables)
        check_funds(terms, wallet, most_in, LAMPORTS_PER_SIGNATURE, self._fees.tip_lamports)
        transaction = await self._priced(transaction, attempt, blockhash)
        check_funds(terms, wallet, most_in, transaction.fee_lamports, self._fees.tip_lamports)
        signed = await self._wallets.sign(terms.wallet, transaction.unsigned(blockhash.blockhash))
        self._quoter.decided(memo(terms.order_id, attempt), parts)
        return PreparedSwap(
            swap=SwapAttempt(
                order_id=terms.order_id,
                attempt=attempt,
                venue=route.venue,
                kind=route.kind,
                pool=route.pool,
                wallet_address=str(transaction.wallet),
                signature=str(signed.signatures[0]),
                transaction=base64.b64encode(bytes(signed)).decode(),
                blockhash=str(blockhash.blockhash),
                last_valid_block_height=blockhash.last_valid_block_height,
                signing_slot=blockhash.slot,
                amount_in=sum(part.quote.amount_in for part in parts),
                quoted_out=sum(part.quote.amount_out for part in parts),
                least_out=terms.amount_out or sum(least_out for _, least_out in guarded),
                most_in=sum(most for _, most in guarded) if terms.exact_out else None,
            ),
            compute_unit_limit=transaction.compute_unit_limit,
            compute_unit_price=transaction.compute_unit_price,
            slot=parts[0].clock.slot,
            fee_lamports=transaction.fee_lamports,
            tip_lamports=self._fees.tip_lamports,
            tip_account=str(self._fees.tip.account) if self._fees.tip else None,
        )

    async def _fresh(
        self, terms: OrderTerms, attempt: int, route: Route
    ) -> tuple[list[QuotedPool], tuple[AddressLookupTableAccount, ...]]:
        """The pools of the route as they are now, and the lookup tables that hold their accounts."""
        parts = [
            await self._quoter.one(
                Pubkey.from_string(leg.pool),
                QuoteRequest(
                    token_in=terms.token_in,
                    token_out=terms.token_out,
                    amount_in=leg.amount_in,
                    amount_out=terms.amount_out,
                ),
                memo(terms.order_id, attempt),
            )
            for leg in route.legs
        ]
        return parts, await self._tables(parts)

    async def _holding(self, terms: OrderTerms, attempt: int, amount_in: int) -> Holding:
        wallet = self._wallets.address(terms.wallet)
        return await self._holdings.of(terms, wallet, memo(terms.order_id, attempt), amount_in)

    async def _tables(self, parts: Sequence[QuotedPool]) -> tuple[AddressLookupTableAccount, ...]:
        return await self._lookup_tables.of(part.lookup_table for part in parts)

    def _assemble(
        self,
        terms: OrderTerms,
        attempt: int,
        parts: Sequence[tuple[QuotedPool, int]],
        wallet: Holding,
        tables: tuple[AddressLookupTableAccount, ...],
    ) -> SwapTransaction:
        """One transaction for all parts, each guarded by its own least output, or most input; unpriced."""
        selling, buying = wallet.selling, wallet.buying
        user = UserAccounts(wallet.address, selling.account, buying.account)
        swaps = _swaps(parts, user)
        # Last, when the rent of temporary accounts is back in the wallet.
        tip = (self._fees.tip.instruction(wallet.address),) if self._fees.tip else ()
        return SwapTransaction(
            wallet=wallet.address,
            instructions=(*selling.before, *buying.before, *swaps, *selling.after, *buying.after, *tip),
            memo=memo(terms.order_id, attempt),
            compute_unit_price=0,
            lookup_tables=tables,
            contended=_contended(swaps, user),
        )

    async def _priced(self, transaction: SwapTransaction, attempt: int, blockhash: Blockhash) -> SwapTransaction:
        """Simulate at the highest limit and without a price, then ask for what that took and a margin, and bid."""
        simulation, price = await asyncio.gather(
            self._rpc.simulate(transaction.unsigned(blockhash.blockhash)),
            self._priority_fees.price(transaction.contended, attempt),
        )
        if simulation.error is not None:
            reason, detail = explain(simulation.error, transaction.programs)
            raise EngineError(reason, f"simulation: {detail}")
        # A node that does not count them leaves the highest limit.
        used = simulation.units_consumed or MAX_COMPUTE_UNITS
        units = min(used * (100 + self._fees.margin_percent) // 100, MAX_COMPUTE_UNITS)
        return transaction.priced(units, self._fees.affordable(price, units))


def _swaps(parts: Iterable[tuple[QuotedPool, int]], user: UserAccounts) -> list[Instruction]:
    """The swaps of parts with their guards: the least output of each, or exact out the most input."""
    return [part.pool.instruction(part.quote, _limit(part, guard), user) for part, guard in parts]


def _limit(part: QuotedPool, guard: int) -> int:
    is_exact_out = part.quote.swap.mode is Mode.EXACT_OUT
    return guard if is_exact_out else part.pool.limit_for(part.quote, guard)


def _contended(swaps: Iterable[Instruction], user: UserAccounts) -> frozenset[Pubkey]:
    written = {meta.pubkey for swap in swaps for meta in swap.accounts if meta.is_writable}
    return frozenset(written - {user.owner, user.source, user.destination})


def _guards(legs: Sequence[PoolQuote], fresh: Sequence[QuotedPool], terms: OrderTerms) -> tuple[int, ...]:
    """The least output of each leg, or exact out the most input; raises EngineError when the market is beyond it."""
    if terms.exact_out:
        return most_inputs(terms, [leg.amount_in for leg in legs], [part.quote.amount_in for part in fresh])
    return least_outputs(terms, [leg.amount_out for leg in legs], [part.quote.amount_out for part in fresh])
