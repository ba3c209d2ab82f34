"""Money: tokens and amounts. Integers in base units inside, decimal strings at the edges, never float."""

import re
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

# SPL token amounts are u64.
MAX_BASE_UNITS = 2**64 - 1

# Enough digits for any u64 at any number of decimals, and for any text that is parsed; a local context so that no
# caller's context rounds money.
_EXACT = Context(prec=100)

# Decimal itself also takes infinity, underscores, spaces around the number and the digits of other scripts.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

# An integer of base units that travels as a string in JSON: browsers (the Temporal Web UI too) lose digits beyond 2^53.
BaseUnits = Annotated[int, Field(ge=0), PlainSerializer(str, return_type=str, when_used="json")]


class AmountError(ValueError):
    """A decimal text that is no amount of the token; `code` is a reason code of `errors.ErrorCode`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# A price between two tokens of any decimals and supply, with more digits than any trader states.
_PRICE_DIGITS = 36
_PRICE_EXPONENT = 30


def parse_price(text: str) -> Decimal:
    """A positive decimal such as "151.25", kept digit by digit.

    Raises AmountError `price_invalid` when the text is none, has more than 36 digits, or is beyond 10^±30.
    """
    if len(text) > 80 or not _DECIMAL.fullmatch(text):
        raise AmountError("price_invalid", "a price is a decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise AmountError("price_invalid", "the price has an exponent out of all bounds") from None
    if value <= 0:
        raise AmountError("price_invalid", "a price is greater than zero")
    if abs(value.adjusted()) > _PRICE_EXPONENT:
        raise AmountError("price_invalid", f"a price is between 1e-{_PRICE_EXPONENT} and 1e{_PRICE_EXPONENT}")
    value = value.normalize(_EXACT)
    if len(value.as_tuple().digits) > _PRICE_DIGITS:
        raise AmountError("price_invalid", f"a price has at most {_PRICE_DIGITS} digits")
    return value


def plain(price: Decimal) -> str:
    """A decimal without exponent or trailing zeros."""
    return f"{price.normalize(_EXACT):f}"


class Token(BaseModel):
    """An SPL token: its mint address (base58), ticker symbol, decimals and owning token program (base58)."""

    model_config = ConfigDict(frozen=True)

    mint: str
    symbol: str
    decimals: int = Field(ge=0, le=255)
    program: str

    def parse(self, text: str) -> int:
        """Base units of a decimal text such as "1.5".

        Raises AmountError when the text is no positive finite decimal, has more decimals than the token,
        or exceeds a u64.
        """
        if len(text) > 80:
            raise AmountError("amount_invalid", "an amount has at most 80 characters")
        if not _DECIMAL.fullmatch(text):
            raise AmountError("amount_invalid", f"{text!r} is not a decimal number")
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise AmountError("amount_invalid", f"{text!r} has an exponent out of all bounds") from None
        if value <= 0:
            raise AmountError("amount_not_positive", "the amount must be greater than zero")
        if value.adjusted() + self.decimals > 20:
            raise AmountError("amount_too_large", f"the amount exceeds what {self.symbol} can represent")
        if value.adjusted() + self.decimals < 0:
            raise AmountError("amount_too_precise", f"{self.symbol} has {self.decimals} decimals")
        units = value.scaleb(self.decimals, _EXACT)
        if units != units.to_integral_value(ROUND_DOWN):
            raise AmountError("amount_too_precise", f"{self.symbol} has {self.decimals} decimals")
        if units > MAX_BASE_UNITS:
            raise AmountError("amount_too_large", f"the amount exceeds what {self.symbol} can represent")
        return int(units)

    def format(self, base_units: int) -> str:
        """The shortest plain decimal text of an amount in base units: no exponent, no trailing zeros."""
        whole, fraction = divmod(base_units, 10**self.decimals)
        digits = f"{fraction:0{self.decimals}d}".rstrip("0") if self.decimals else ""
        return f"{whole}.{digits}" if digits else str(whole)


class TokenAmount(BaseModel):
    """An amount in base units of a token."""

    model_config = ConfigDict(frozen=True)

    token: Token
    base_units: BaseUnits

    @classmethod
    def parse(cls, token: Token, text: str) -> Self:
        """The amount that a decimal text states; raises AmountError."""
        return cls(token=token, base_units=token.parse(text))

    def __str__(self) -> str:
        return f"{self.token.format(self.base_units)} {self.token.symbol}"


def price(amount_in: TokenAmount, amount_out: TokenAmount) -> Decimal | None:
    """Units of the output token per unit of the input token, to 18 significant digits; None for a zero input."""
    if amount_in.base_units == 0:
        return None
    paid = Decimal(amount_in.base_units).scaleb(-amount_in.token.decimals, _EXACT)
    received = Decimal(amount_out.base_units).scaleb(-amount_out.token.decimals, _EXACT)
    return Context(prec=18).divide(received, paid)


def least_output(amount_out: int, slippage_bps: int) -> int:
    """The guard of a swap quoted at `amount_out`: at most `slippage_bps` less, rounded up, never below 1.

    At least 1 because one program (Meteora DAMM v2) accepts a swap that pays nothing.
    """
    return max(1, -(-amount_out * (10_000 - slippage_bps) // 10_000))


def most_input(amount_in: int, slippage_bps: int) -> int:
    """The guard of an exact-out swap quoted at `amount_in`: at most `slippage_bps` more, rounded down, within a u64."""
    return min(MAX_BASE_UNITS, amount_in * (10_000 + slippage_bps) // 10_000)
