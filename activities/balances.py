"""What a wallet holds, and what a swap takes from it at most."""

from dataclasses import dataclass

from solders.pubkey import Pubkey

from activities.solana import token_accounts
from activities.solana.fees import Fees
from activities.solana.rpc import SolanaRpc
from activities.solana.shared import Shared
from activities.solana.token_accounts import TOKEN_ACCOUNT_SIZE
from activities.solana.transaction import LAMPORTS_PER_SIGNATURE
from activities.venues.errors import Unsupported
from activities.venues.mint import NATIVE_MINT, TOKEN_PROGRAM, token_balance
from activities.venues.pool import Account
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.order import OrderTerms
from workflows.domain.risk import Needs

# An account of a Token-2022 mint holds the extensions that go with its mint's: at most an owner that cannot change,
# withheld transfer fees and a pause (spl-token-2022: 166 bytes, then 4 and 0, 4 and 8, 4 and 0).
_EXTENDED_ACCOUNT_SIZE = 186


@dataclass(frozen=True, slots=True)
class Balances:
    """What a wallet held after the confirmed block of `slot`: lamports, base units of the token that an order sells.

    `can_receive` says whether the account for the token bought is there already.
    """

    slot: int
    lamports: int
    tokens: int
    can_receive: bool


class BalanceReader:
    """Reads balances for many orders together: an answer is shared for `max_age` seconds."""

    def __init__(self, rpc: SolanaRpc, fees: Fees, max_age: float) -> None:
        self._rpc = rpc
        # Whatever the market of fees and the attempt.
        self._most_fees = LAMPORTS_PER_SIGNATURE + fees.lamports_cap + fees.tip_lamports
        self._accounts: Shared[tuple[Pubkey, ...], tuple[int, dict[Pubkey, Account | None]]] = Shared(
            lambda keys: rpc.accounts(keys, confirmed=True), max_age
        )
        # Rent is a cluster parameter: one question per process is enough.
        self._rent: Shared[int, int] = Shared(rpc.rent, float("inf"))

    async def of(self, wallet: Pubkey, terms: OrderTerms) -> Balances:
        """What the wallet holds for the order; raises EngineError `account_frozen`, or ChainUnavailable.

        Confirmed, not newer: a swap that landed by the slot is then in the balance, and none that may still vanish.
        """
        sold, bought = terms.token_in, terms.token_out
        source, destination = (
            token_accounts.associated_account(wallet, Pubkey.from_string(token.mint), Pubkey.from_string(token.program))
            for token in (sold, bought)
        )
        slot, found = await self._accounts.get((wallet, source, destination))
        account, tokens = found[wallet], 0
        if sold.mint != str(NATIVE_MINT) and (held := found[source]) is not None:
            try:
                tokens = token_balance(Pubkey.from_string(sold.mint), held)
            except Unsupported as error:
                raise EngineError(ErrorCode.ACCOUNT_FROZEN, str(error)) from error
        return Balances(slot, account.lamports if account else 0, tokens, found[destination] is not None)

    async def needs(self, wallet: Pubkey, terms: OrderTerms, can_receive: bool) -> Needs:
        """What the order's swap takes at most, whatever compute it asks for; raises ChainUnavailable."""
        rent, own_rent = await self._rent.get(TOKEN_ACCOUNT_SIZE), await self._rent.get(0)
        mint_in, mint_out = Pubkey.from_string(terms.token_in.mint), Pubkey.from_string(terms.token_out.mint)
        program_in, program_out = (Pubkey.from_string(token.program) for token in (terms.token_in, terms.token_out))
        selling = token_accounts.selling_side(wallet, mint_in, program_in, terms.amount_in, terms.order_id, rent)
        new = rent if program_out == TOKEN_PROGRAM else await self._rent.get(_EXTENDED_ACCOUNT_SIZE)
        buying = token_accounts.buying_side(wallet, mint_out, program_out, can_receive, terms.order_id, new)
        returned = selling.returned + buying.returned
        return Needs(
            lamports=selling.lamports + buying.lamports - returned + self._most_fees,
            # A fee payer must be left empty or rent-exempt; left empty is of no use to whoever trades on.
            spare_lamports=max(returned, own_rent),
            tokens=0 if mint_in == NATIVE_MINT else terms.amount_in,
        )
