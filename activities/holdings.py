"""What an order's wallet holds of what its swap needs, and the token accounts on both sides of it."""

import asyncio
from dataclasses import dataclass

from solders.pubkey import Pubkey

from activities.solana.funds import needs
from activities.solana.rpc import SolanaRpc
from activities.solana.shared import Shared
from activities.solana.token_accounts import (
    TOKEN_ACCOUNT_SIZE,
    TokenSide,
    associated_account,
    buying_side,
    selling_side,
)
from activities.venues.errors import Unsupported
from activities.venues.mint import NATIVE_MINT, token_balance
from activities.venues.pool import Account, Accounts
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import Token
from workflows.domain.order import OrderTerms

# A wallet is an account without data.
_WALLET_SIZE = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """A wallet with the two sides of a swap: its own account and that of the token it sells, None where not there.

    `rent` is the rent-exempt minimum of the wallet itself.
    """

    address: Pubkey
    account: Account | None
    source: Account | None
    selling: TokenSide
    buying: TokenSide
    rent: int


class Holdings:
    """Reads wallets; orders of one wallet and pair within `max_age` seconds share an answer."""

    def __init__(self, rpc: SolanaRpc, max_age: float) -> None:
        self._rpc = rpc
        self._accounts: Shared[tuple[Pubkey, ...], Accounts] = Shared(self._read, max_age)
        # Rent is a cluster parameter: one question per process is enough.
        self._rent: Shared[int, int] = Shared(rpc.rent, float("inf"))

    async def read(self, terms: OrderTerms, wallet: Pubkey) -> tuple[Accounts, int, int]:
        """The wallet's accounts of the order, a token account's rent and a wallet's; raises ChainUnavailable."""
        keys = wallet, _associated(wallet, terms.token_in), _associated(wallet, terms.token_out)
        return await asyncio.gather(
            self._accounts.get(keys), self._rent.get(TOKEN_ACCOUNT_SIZE), self._rent.get(_WALLET_SIZE)
        )

    async def of(self, terms: OrderTerms, wallet: Pubkey, purpose: str, amount_in: int) -> Holding:
        """The wallet ready to sell `amount_in` base units in the transaction of this memo; raises ChainUnavailable."""
        found, rent, least_rent = await self.read(terms, wallet)
        (mint_in, program_in), (mint_out, program_out) = map(_keys, (terms.token_in, terms.token_out))
        exists = found[_associated(wallet, terms.token_out)] is not None
        return Holding(
            address=wallet,
            account=found[wallet],
            source=found[_associated(wallet, terms.token_in)],
            selling=selling_side(wallet, mint_in, program_in, amount_in, purpose, rent),
            buying=buying_side(wallet, mint_out, program_out, exists, purpose, rent),
            rent=least_rent,
        )

    async def _read(self, keys: tuple[Pubkey, ...]) -> Accounts:
        _, found = await self._rpc.accounts(keys)
        return found


def check_funds(terms: OrderTerms, wallet: Holding, amount_in: int, fee: int, tip: int) -> None:
    """Say early and plainly what the chain would only say with a code; `fee` and `tip` in lamports.

    Raises EngineError `insufficient_funds` or `account_frozen`.
    """
    sells_sol = terms.token_in.mint == str(NATIVE_MINT)
    needed = needs(wallet.selling, wallet.buying, 0 if sells_sol else amount_in, fee, tip)
    held = wallet.account.lamports if wallet.account else 0
    if shortage := needed.shortage(held, wallet.rent):
        raise EngineError(
            ErrorCode.INSUFFICIENT_FUNDS,
            f"wallet {terms.wallet!r} holds {held} lamports and needs {held + shortage}",
        )
    if not sells_sol:
        _check_tokens(terms, wallet.source, amount_in)


def _check_tokens(terms: OrderTerms, source: Account | None, amount: int) -> None:
    token = terms.token_in
    try:
        balance = token_balance(Pubkey.from_string(token.mint), source) if source else 0
    except Unsupported as error:
        raise EngineError(ErrorCode.ACCOUNT_FROZEN, str(error)) from error
    if balance < amount:
        raise EngineError(
            ErrorCode.INSUFFICIENT_FUNDS,
            f"wallet {terms.wallet!r} holds {token.format(balance)} {token.symbol}"
            f" and the order sells {token.format(amount)}",
        )


def _keys(token: Token) -> tuple[Pubkey, Pubkey]:
    return Pubkey.from_string(token.mint), Pubkey.from_string(token.program)


def _associated(wallet: Pubkey, token: Token) -> Pubkey:
    return associated_account(wallet, *_keys(token))
