"""Build one swap transaction from a route: fresh pool state, guard, accounts, fees, simulation, signature."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from solders.pubkey import Pubkey

from activities.quotes import QuotedPool, Quoter
from activities.solana import token_accounts
from activities.solana.failures import explain
from activities.solana.lookup_tables import LookupTables
from activities.solana.rpc import Blockhash, ChainUnavailable, SolanaRpc
from activities.solana.shared import Shared
from activities.solana.token_accounts import TOKEN_ACCOUNT_SIZE, TokenSide
from activities.solana.transaction import SwapTransaction, priority_fee
from activities.solana.wallets import Wallets
from activities.venues.errors import Unsupported, VenueError
from activities.venues.mint import NATIVE_MINT, token_balance
from activities.venues.pool import MAX_COMPUTE_UNITS, Account, Accounts, UserAccounts
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


@dataclass(frozen=True, slots=True)
class Fees:
    """How swaps are priced to land: micro-lamports per compute unit, and units asked for above the simulation's."""

    compute_unit_price: int
    margin_percent: int


class SwapBuilder:
    """Turns a route into signed bytes."""

    def __init__(self, rpc: SolanaRpc, quoter: Quoter, wallets: Wallets, fees: Fees, max_age: float) -> None:
        self._rpc = rpc
        self._quoter = quoter
        self._wallets = wallets
        self._fees = fees
        self._blockhash: Shared[None, Blockhash] = Shared(lambda _: rpc.latest_blockhash(), max_age)
        # Rent is a cluster parameter: one question per process is enough.
        self._holdings: Shared[tuple[Pubkey, ...], Accounts] = Shared(self._read_holdings, max_age)
        self._rent: Shared[int, int] = Shared(rpc.rent, float("inf"))
        self._lookup_tables = LookupTables(rpc)

    async def prepare(self, terms: OrderTerms, attempt: int, route: Route) -> PreparedSwap:
        """The signed swap of an attempt; raises EngineError with the reason why there is none."""
        try:
            return await self._prepare(terms, attempt, route)
        except VenueError as error:
            raise EngineError(ErrorCode.POOL_UNAVAILABLE, f"the chosen pool no longer quotes: {error}") from error
        except ChainUnavailable as error:
            raise EngineError(ErrorCode.CHAIN_UNAVAILABLE, str(error)) from error
        except ConnectionError as error:
            raise EngineError(ErrorCode.QUOTE_UNAVAILABLE, f"pool registry: {error}") from error

    async def fits(self, terms: OrderTerms, parts: Sequence[QuotedPool]) -> bool:
        """Whether swaps of all parts fit one transaction, by size and compute units; raises EngineError."""
        if sum(part.quote.compute_units for part in parts) > MAX_COMPUTE_UNITS - _OTHER_COMPUTE_UNITS:
            return False
        transaction = await self._assemble(terms, terms.max_attempts, [(part, _LONGEST_LIMIT) for part in parts])
        return transaction.excess is None

    def priority_fee(self, units: int) -> int:
        """Lamports that so many compute units cost on top."""
        return priority_fee(units, self._fees.compute_unit_price)

    async def _prepare(self, terms: OrderTerms, attempt: int, route: Route) -> PreparedSwap:
        parts = [await self._fresh(terms, attempt, leg) for leg in route.legs]
        guarded = list(zip(parts, _guards(route.legs, parts, terms), strict=True))
        transaction = await self._assemble(terms, attempt, guarded)
        blockhash = await self._blockhash.get(None)
        transaction = await self._limited(transaction, blockhash)
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
                amount_in=sum(part.quote.amount_in for part in parts),
                quoted_out=sum(part.quote.amount_out for part in parts),
                least_out=terms.amount_out or sum(least_out for _, least_out in guarded),
                most_in=sum(most_in for _, most_in in guarded) if terms.exact_out else None,
            ),
            compute_unit_limit=transaction.compute_unit_limit,
            compute_unit_price=transaction.compute_unit_price,
            slot=parts[0].clock.slot,
        )

    async def _fresh(self, terms: OrderTerms, attempt: int, leg: PoolQuote) -> QuotedPool:
        request = QuoteRequest(
            token_in=terms.token_in, token_out=terms.token_out, amount_in=leg.amount_in, amount_out=terms.amount_out
        )
        return await self._quoter.one(Pubkey.from_string(leg.pool), request, memo(terms.order_id, attempt))

    async def _assemble(
        self, terms: OrderTerms, attempt: int, parts: Sequence[tuple[QuotedPool, int]]
    ) -> SwapTransaction:
        """One transaction for all parts, each guarded by its own least output, or most input."""
        wallet, purpose = self._wallets.address(terms.wallet), memo(terms.order_id, attempt)
        # Exact out, all that the swap may take has to be there.
        amount_in = sum(limit if terms.exact_out else part.quote.amount_in for part, limit in parts)
        selling, buying = await self._sides(terms, wallet, purpose, amount_in)
        user = UserAccounts(wallet, selling.account, buying.account)
        swaps = [
            part.pool.instruction(
                part.quote, limit if terms.exact_out else part.pool.limit_for(part.quote, limit), user
            )
            for part, limit in parts
        ]
        return SwapTransaction(
            wallet=wallet,
            instructions=(*selling.before, *buying.before, *swaps, *selling.after, *buying.after),
            memo=purpose,
            compute_unit_price=self._fees.compute_unit_price,
            lookup_tables=await self._lookup_tables.of(part.lookup_table for part, _ in parts),
        )

    async def _sides(
        self, terms: OrderTerms, wallet: Pubkey, purpose: str, amount_in: int
    ) -> tuple[TokenSide, TokenSide]:
        mint_in, program_in = Pubkey.from_string(terms.token_in.mint), Pubkey.from_string(terms.token_in.program)
        mint_out, program_out = Pubkey.from_string(terms.token_out.mint), Pubkey.from_string(terms.token_out.program)
        rent = await self._rent.get(TOKEN_ACCOUNT_SIZE)
        source = token_accounts.associated_account(wallet, mint_in, program_in)
        destination = token_accounts.associated_account(wallet, mint_out, program_out)
        found = await self._holdings.get((wallet, source, destination))
        selling = token_accounts.selling_side(wallet, mint_in, program_in, amount_in, purpose, rent)
        exists = found[destination] is not None
        buying = token_accounts.buying_side(wallet, mint_out, program_out, exists, purpose, rent)
        _check_funds(terms, found[wallet], found[source], amount_in, selling.lamports + buying.lamports)
        return selling, buying

    async def _read_holdings(self, keys: tuple[Pubkey, ...]) -> Accounts:
        _, found = await self._rpc.accounts(keys)
        return found

    async def _limited(self, transaction: SwapTransaction, blockhash: Blockhash) -> SwapTransaction:
        """Simulate at the highest limit, then ask for what that took and a margin."""
        simulation = await self._rpc.simulate(transaction.unsigned(blockhash.blockhash))
        if simulation.error is not None:
            reason, detail = explain(simulation.error, transaction.programs)
            raise EngineError(reason, f"simulation: {detail}")
        units = simulation.units_consumed * (100 + self._fees.margin_percent) // 100
        return transaction.limited_to(units)


def _guards(legs: Sequence[PoolQuote], fresh: Sequence[QuotedPool], terms: OrderTerms) -> tuple[int, ...]:
    """The least output of each leg, or exact out the most input; raises EngineError when the market is beyond it."""
    if terms.exact_out:
        return most_inputs(terms, [leg.amount_in for leg in legs], [part.quote.amount_in for part in fresh])
    return least_outputs(terms, [leg.amount_out for leg in legs], [part.quote.amount_out for part in fresh])


def _check_funds(
    terms: OrderTerms, wallet: Account | None, source: Account | None, amount_in: int, lamports: int
) -> None:
    """Say early and plainly what the chain would only say with a code; raises EngineError `insufficient_funds`."""
    held = wallet.lamports if wallet else 0
    if held < lamports:
        raise EngineError(
            ErrorCode.INSUFFICIENT_FUNDS, f"wallet {terms.wallet!r} holds {held} lamports and needs {lamports}"
        )
    if terms.token_in.mint == str(NATIVE_MINT):
        return
    try:
        balance = token_balance(Pubkey.from_string(terms.token_in.mint), source) if source else 0
    except Unsupported as error:
        raise EngineError(ErrorCode.ACCOUNT_FROZEN, str(error)) from error
    if balance < amount_in:
        token = terms.token_in
        raise EngineError(
            ErrorCode.INSUFFICIENT_FUNDS,
            f"wallet {terms.wallet!r} holds {token.format(balance)} {token.symbol}"
            f" and the order sells {token.format(amount_in)}",
        )
