"""A Meteora vault as one side of a DAMM v1 pool: account layouts and the maths of its shares.

The vault (program 24Uqj9J…) lends tokens out and issues LP tokens; a pool owns some of them. Freshly reported
profit is locked and unlocks linearly, so what a share is worth depends on the clock. Rules: the vault's public
source (MeteoraAg/vault-periphery, `Vault` and `LockedProfitTracker`).
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, SwapRefused
from activities.venues.fetched import fetched
from activities.venues.integers import U64_MAX
from activities.venues.mint import TOKEN_PROGRAM, token_balance
from activities.venues.pool import Account, Accounts

VAULT_PROGRAM = Pubkey.from_string("24Uqj9JCLxUeoC3hGfh5W3s9FM9uCHDS2SG3LYwBpyTi")

_NAME = "meteora_vault"
_DISCRIMINATOR = bytes.fromhex("d308e82b02987577")
# Discriminator; enabled; total_amount; token_vault; token_mint; lp_mint; of the locked profit tracker:
# profit at the last report, time of that report in seconds, share of it that unlocks each second.
_VAULT = Struct("<8sB2xQ32s32x32s32s1056xQQQ")
_TOTAL, _TOKEN_VAULT, _TOKEN_MINT, _LP_MINT = 11, 19, 83, 115
_DEGRADATION_SCALE = 10**12

# SPL Token: size of a mint, where it keeps supply and state, and where an account keeps its balance.
_MINT_SIZE, _SUPPLY, _INITIALIZED, _BALANCE = 82, 36, 45, 64
_U64 = Struct("<Q")


def math_overflow() -> SwapRefused:
    """The refusal of both programs' checked arithmetic, under the pool program's code."""
    return SwapRefused("MathOverflow", 6000)


class Side(NamedTuple):
    """A vault, the pool's share of it, and where the pool's protocol fee of this token goes.

    `total` counts lent tokens too; `token_balance` is what the vault can pay out now.
    """

    vault: Pubkey
    enabled: bool
    total: int
    locked_profit: int
    last_report: int
    degradation: int
    token_vault: Pubkey
    token_balance: int
    lp_mint: Pubkey
    lp_supply: int
    lp_account: Pubkey
    lp_amount: int
    protocol_fee: Pubkey

    def unlocked(self, now: int) -> int:
        """The tokens behind all shares at `now` (seconds): the total without the profit still locked."""
        elapsed = now - self.last_report
        if elapsed < 0:
            raise math_overflow()
        ratio = elapsed * self.degradation
        locked = self.locked_profit * (_DEGRADATION_SCALE - ratio) // _DEGRADATION_SCALE
        unlocked = self.total - max(locked, 0)
        if unlocked < 0:
            raise math_overflow()
        return unlocked

    def reserve(self, unlocked: int) -> int:
        """The pool's tokens, by its shares."""
        return tokens_of(self.lp_amount, unlocked, self.lp_supply)

    def deposited(self, tokens: int, shares: int) -> "Side":
        """The side after the pool deposited `tokens` for `shares`."""
        return self._moved(tokens, shares)

    def withdrawn(self, tokens: int, shares: int) -> "Side":
        """The side after the pool burned `shares` for `tokens`."""
        return self._moved(-tokens, -shares)

    def _moved(self, tokens: int, shares: int) -> "Side":
        return self._replace(
            total=self.total + tokens,
            token_balance=self.token_balance + tokens,
            lp_supply=self.lp_supply + shares,
            lp_amount=self.lp_amount + shares,
        )

    def writes(self, accounts: Accounts) -> Iterator[tuple[Pubkey, bytes]]:
        """The vault, its LP mint and the pool's LP account, where total, supply or balance differ."""
        fields = (
            (self.vault, _TOTAL, self.total),
            (self.lp_mint, _SUPPLY, self.lp_supply),
            (self.lp_account, _BALANCE, self.lp_amount),
        )
        for key, offset, value in fields:
            (account,) = fetched(_NAME, accounts, key)
            data = bytearray(account.data)
            if len(data) < offset + _U64.size:
                raise DecodeError(_NAME, "account", len(data), f"{key} is too short")
            _U64.pack_into(data, offset, value)
            if data != account.data:
                yield key, bytes(data)


def tokens_of(shares: int, unlocked: int, supply: int) -> int:
    """What `shares` of `supply` are worth, rounded down; refuses with MathOverflow as the programs do."""
    if supply == 0:
        raise math_overflow()
    tokens = shares * unlocked // supply
    if tokens > U64_MAX:
        raise math_overflow()
    return tokens


def shares_of(tokens: int, unlocked: int, supply: int) -> int:
    """The shares that `tokens` buy or cost, rounded down; one each in a vault that holds nothing."""
    shares = tokens if unlocked == 0 else tokens * supply // unlocked
    if shares > U64_MAX:
        raise math_overflow()
    return shares


def vault_keys(account: Account) -> tuple[Pubkey, Pubkey]:
    """The token account and the LP mint of a vault; DecodeError when it is none."""
    data = _vault_data(account)
    keys = (data[offset : offset + 32] for offset in (_TOKEN_VAULT, _LP_MINT))
    token_vault, lp_mint = map(Pubkey.from_bytes, keys)
    return token_vault, lp_mint


def read_side(accounts: Accounts, vault: Pubkey, lp_account: Pubkey, mint: bytes, protocol_fee: Pubkey) -> Side:
    """Decode a vault of the token `mint`, its LP mint and token account, and the pool's LP account.

    Raises DecodeError or MissingAccounts.
    """
    vault_account, share_account = fetched(_NAME, accounts, vault, lp_account)
    values = _VAULT.unpack_from(_vault_data(vault_account))
    _, enabled, total, token_vault_key, token_mint, lp_mint_key, locked_profit, last_report, degradation = values
    if token_mint != mint:
        raise DecodeError(_NAME, "token_mint", _TOKEN_MINT, "not the mint of the pool")
    token_vault, lp_mint = Pubkey.from_bytes(token_vault_key), Pubkey.from_bytes(lp_mint_key)
    token_account, mint_account = fetched(_NAME, accounts, token_vault, lp_mint)
    return Side(
        vault,
        enabled == 1,
        total,
        locked_profit,
        last_report,
        degradation,
        token_vault,
        _balance_of(token_vault, token_account, mint),
        lp_mint,
        _supply_of(lp_mint, mint_account),
        lp_account,
        _balance_of(lp_account, share_account, lp_mint_key),
        protocol_fee,
    )


def _vault_data(account: Account) -> bytes:
    data = account.data
    if account.owner != VAULT_PROGRAM:
        raise DecodeError(_NAME, "vault", 0, f"belongs to program {account.owner}")
    if len(data) < _VAULT.size:
        raise DecodeError(_NAME, "vault", len(data), f"at least {_VAULT.size} bytes expected")
    if data[:8] != _DISCRIMINATOR:
        raise DecodeError(_NAME, "discriminator", 0, "not a vault")
    return data


def _balance_of(key: Pubkey, account: Account, mint: bytes) -> int:
    balance = token_balance(key, account)
    if account.owner != TOKEN_PROGRAM or account.data[:32] != mint:
        raise DecodeError(_NAME, "token_account", 0, f"{key} is not an SPL Token account of the right mint")
    return balance


def _supply_of(key: Pubkey, account: Account) -> int:
    data = account.data
    if account.owner != TOKEN_PROGRAM or len(data) != _MINT_SIZE or data[_INITIALIZED] != 1:
        raise DecodeError(_NAME, "lp_mint", 0, f"{key} is not an SPL Token mint")
    supply: int = _U64.unpack_from(data, _SUPPLY)[0]
    return supply
