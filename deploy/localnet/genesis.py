"""The first state of a cluster: tokens, wallets and pools from a TOML file, and account dumps."""

import base64
import json
import tomllib
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter
from solders.pubkey import Pubkey

from activities.venues.mint import NATIVE_MINT
from activities.venues.pool import Account
from deploy.localnet.pools import amm_v4, clmm, cpmm, damm_v1, damm_v2, dlmm
from deploy.localnet.pools.spec import Built, PoolSpec, Token
from deploy.localnet.tokens import (
    associated_address,
    mint_account,
    read_token_account,
    token_account,
    with_supply,
)

LAMPORTS_PER_SOL = 10**9
_BUILDERS: dict[str, Callable[[PoolSpec], Built]] = {
    "amm_v4": amm_v4.build,
    "cpmm": cpmm.build,
    "clmm": clmm.build,
    "dlmm": dlmm.build,
    "damm_v1": damm_v1.build,
    "damm_v2": damm_v2.build,
}


class GenesisError(Exception):
    """A genesis file or an account dump that cannot be used; the message names file and place."""


def _pubkey(value: object) -> Pubkey:
    try:
        return Pubkey.from_string(str(value))
    except ValueError as error:
        raise ValueError(f"not an address: {value}") from error


def _no_float(value: object) -> object:
    if isinstance(value, float):
        raise ValueError(f"write the amount as a string, not as the float {value}")
    return value


Address = Annotated[Pubkey, BeforeValidator(_pubkey)]
# Decimal amounts are written as strings, so that no float is between the file and the chain.
Amount = Annotated[Decimal, BeforeValidator(_no_float), Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class TokenModel(_Model):
    """A `[tokens.<symbol>]` table; a transfer fee makes it a Token-2022 mint."""

    mint: Address
    decimals: int = Field(ge=0, le=18)
    transfer_fee_bps: int | None = Field(None, ge=0, le=10_000)
    maximum_fee: Amount | None = None


class PoolModel(_Model):
    """A `[[pools]]` table; see the genesis file for the meaning of each key."""

    kind: str
    base: str
    quote: str
    price: Amount
    quote_depth: Amount
    fee_ppm: int = Field(ge=0, lt=1_000_000)
    index: int = Field(0, ge=0, lt=65_536)
    step: int = Field(10, ge=1, le=400)
    range_bps: int = Field(2_000, ge=1, lt=10_000)


class GenesisModel(_Model):
    """The whole file."""

    tokens: dict[str, TokenModel]
    wallets: dict[str, dict[str, Amount]]
    pools: list[PoolModel] = []


class Genesis:
    """A read genesis file. Raises GenesisError where the file does not make sense."""

    def __init__(self, path: Path) -> None:
        try:
            self._model = GenesisModel.model_validate(tomllib.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise GenesisError(f"{path}: {error}") from error
        self._path = path
        self._tokens = {symbol: _token(symbol, model) for symbol, model in self._model.tokens.items()}

    @property
    def wallets(self) -> list[str]:
        """The names of the wallets that have balances."""
        return list(self._model.wallets)

    def accounts(self, owners: dict[str, Pubkey]) -> dict[Pubkey, Account]:
        """Every account of the first state; `owners` gives the address of each named wallet."""
        accounts = {token.mint: token.account for token in self._tokens.values()}
        for name, balances in self._model.wallets.items():
            accounts |= self._wallet(owners[name], balances)
        for model in self._model.pools:
            built = self._pool(model)
            for address in built.keys() & accounts.keys():
                # Pools of one fee configuration share its account, and nothing else.
                if built[address] != accounts[address]:
                    raise GenesisError(f"{self._path}: two pools need account {address} in different states: {model}")
            accounts |= built
        self._set_supplies(accounts)
        return accounts

    def _set_supplies(self, accounts: dict[Pubkey, Account]) -> None:
        """Let each mint's supply be what all token accounts hold together."""
        supplies = {token.mint: 0 for token in self._tokens.values() if token.mint != NATIVE_MINT}
        for account in accounts.values():
            holding = read_token_account(account)
            if holding is not None and holding.mint in supplies:
                supplies[holding.mint] += holding.amount
        for mint, supply in supplies.items():
            accounts[mint] = with_supply(accounts[mint], supply)

    def _wallet(self, owner: Pubkey, balances: dict[str, Decimal]) -> Built:
        accounts: Built = {}
        for symbol, amount in balances.items():
            if symbol == "SOL":
                accounts[owner] = Account(Pubkey.default(), int(amount * LAMPORTS_PER_SOL), b"")
                continue
            token = self._token(symbol)
            address = associated_address(owner, token.mint, token.account.owner)
            units = int(amount.scaleb(token.decimals))
            accounts[address] = token_account(token.mint, owner, units, mint_data=token.account)
        return accounts

    def _pool(self, model: PoolModel) -> Built:
        builder = _BUILDERS.get(model.kind)
        if builder is None:
            known = ", ".join(sorted(_BUILDERS))
            raise GenesisError(f"{self._path}: pool kind {model.kind!r} is not one of {known}")
        base, quote = self._token(model.base), self._token(model.quote)
        price = Fraction(model.price) * Fraction(10) ** (quote.decimals - base.decimals)
        depth = int(model.quote_depth.scaleb(quote.decimals))
        spec = PoolSpec(base, quote, price, depth, model.fee_ppm, model.index, model.step, model.range_bps)
        try:
            return builder(spec)
        except ValueError as error:
            raise GenesisError(f"{self._path}: {error}") from error

    def _token(self, symbol: str) -> Token:
        token = self._tokens.get(symbol)
        if token is None:
            raise GenesisError(f"{self._path}: token {symbol!r} is not in [tokens]")
        return token


def _token(symbol: str, model: TokenModel) -> Token:
    fee = None
    if model.transfer_fee_bps is not None:
        maximum = Decimal(2**63).scaleb(-model.decimals) if model.maximum_fee is None else model.maximum_fee
        fee = (model.transfer_fee_bps, int(maximum.scaleb(model.decimals)))
    return Token(symbol, model.mint, model.decimals, mint_account(model.decimals, 0, None, fee))


class DumpedAccount(BaseModel):
    """An account in the form of `solana account --output json`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    lamports: int = Field(ge=0, lt=1 << 64)
    data: tuple[str, str]
    owner: Address
    executable: bool = False

    def to_account(self) -> Account:
        """The account; raises ValueError unless its data are base64."""
        text, encoding = self.data
        if encoding != "base64":
            raise ValueError(f"data encoding {encoding!r} is not base64")
        return Account(self.owner, self.lamports, base64.b64decode(text, validate=True))


class _Dump(BaseModel):
    pubkey: Address
    account: DumpedAccount

    model_config = ConfigDict(arbitrary_types_allowed=True)


_DUMPS = TypeAdapter(list[_Dump])


def read_dumps(paths: Iterable[Path]) -> tuple[dict[Pubkey, Account], frozenset[Pubkey]]:
    """Accounts dumped by `solana account --output json`, one or a list per file, and which are executable.

    Raises GenesisError on anything else.
    """
    accounts: dict[Pubkey, Account] = {}
    executable = set()
    for path in paths:
        try:
            content = json.loads(path.read_text())
            for dump in _DUMPS.validate_python(content if isinstance(content, list) else [content]):
                accounts[dump.pubkey] = dump.account.to_account()
                if dump.account.executable:
                    executable.add(dump.pubkey)
        except (OSError, ValueError) as error:
            raise GenesisError(f"{path}: {error}") from error
    return accounts, frozenset(executable)
