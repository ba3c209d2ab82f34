"""Typed access to the parameters of a call; everything raises RpcError (invalid params) on what does not fit."""

from typing import cast

from solders.pubkey import Pubkey
from solders.signature import Signature

from deploy.localnet.chain_errors import Json
from deploy.localnet.ledger import Ledger
from deploy.localnet.rpc.errors import MIN_CONTEXT_SLOT_NOT_REACHED, RpcError, invalid
from deploy.localnet.slots import Commitment

# The node version whose answers are followed.
API_VERSION = "3.1.8"


class Config:
    """A configuration object; absent and null are the same, keys that nobody knows are ignored."""

    def __init__(self, values: dict[str, Json]) -> None:
        self._values = values

    def get(self, key: str) -> Json:
        """The raw value of `key`, None when absent."""
        return self._values.get(key)

    def flag(self, key: str) -> bool:
        """A boolean, false when absent."""
        value = self._values.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise invalid(f"Invalid params: invalid type for `{key}`, expected a boolean.")
        return value

    def integer(self, key: str) -> int | None:
        """A non-negative integer, None when absent."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise invalid(f"Invalid params: invalid type for `{key}`, expected u64.")
        return value

    def text(self, key: str) -> str | None:
        """A string, None when absent."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise invalid(f"Invalid params: invalid type for `{key}`, expected a string.")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        """One of `choices`."""
        value = self.text(key)
        if value is None:
            return default
        if value not in choices:
            expected = ", ".join(f"`{choice}`" for choice in choices)
            raise invalid(f"Invalid params: unknown variant `{value}`, expected one of {expected}.")
        return value

    def table(self, key: str) -> "Config | None":
        """A nested object, None when absent."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise invalid(f"Invalid params: invalid type for `{key}`, expected an object.")
        return Config(value)

    def commitment(self, key: str = "commitment", default: Commitment = Commitment.FINALIZED) -> Commitment:
        """A commitment level."""
        choices = tuple(level.value for level in Commitment)
        return Commitment(self.choice(key, default.value, choices))


class Params:
    """The positional parameters of a call."""

    def __init__(self, values: Json) -> None:
        if values is not None and not isinstance(values, list):
            raise invalid("`params` should be an array")
        self._values: list[Json] = values or []

    def value(self, at: int) -> Json:
        """Parameter `at`, None when absent."""
        return self._values[at] if at < len(self._values) else None

    def required(self, at: int) -> Json:
        """Parameter `at`."""
        if at >= len(self._values):
            found = len(self._values)
            raise invalid(f"Invalid params: invalid length {found}, expected at least {at + 1} elements.")
        return self._values[at]

    def text(self, at: int) -> str:
        """A string."""
        value = self.required(at)
        if not isinstance(value, str):
            raise invalid("Invalid params: invalid type, expected a string.")
        return value

    def integer(self, at: int) -> int:
        """A non-negative integer."""
        value = self.required(at)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise invalid("Invalid params: invalid type, expected u64.")
        return value

    def pubkey(self, at: int) -> Pubkey:
        """An address."""
        return pubkey(self.text(at))

    def texts(self, at: int, what: str, limit: int) -> list[str]:
        """A list of at most `limit` strings."""
        value = self.required(at)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid("Invalid params: invalid type, expected a sequence of strings.")
        if len(value) > limit:
            raise invalid(f"Too many {what} provided; max {limit}")
        return cast("list[str]", value)

    def config(self, at: int) -> Config:
        """A configuration object, empty when absent; the old form of a bare commitment is taken too."""
        value = self.value(at)
        if value is None:
            return Config({})
        if not isinstance(value, dict):
            raise invalid("Invalid params: invalid type, expected a configuration object.")
        return Config(value)


def pubkey(text: str) -> Pubkey:
    """An address."""
    try:
        return Pubkey.from_string(text)
    except ValueError as error:
        kind = "WrongSize" if text.isalnum() else "Invalid"
        raise invalid(f"Invalid param: {kind}") from error


def signature(text: str) -> Signature:
    """A transaction signature."""
    try:
        return Signature.from_string(text)
    except ValueError as error:
        kind = "WrongSize" if text.isalnum() else "Invalid"
        raise invalid(f"Invalid param: {kind}") from error


def bank_slot(ledger: Ledger, config: Config, default: Commitment = Commitment.FINALIZED) -> int:
    """The slot that answers for the configuration's commitment; raises when it is before `minContextSlot`."""
    return bank_slot_at(ledger, config, config.commitment(default=default))


def bank_slot_at(ledger: Ledger, config: Config, commitment: Commitment) -> int:
    """The slot that answers for `commitment`; raises when it is before the configuration's `minContextSlot`."""
    slot = ledger.clock.slot_at(commitment)
    wanted = config.integer("minContextSlot")
    if wanted is not None and slot < wanted:
        raise RpcError(MIN_CONTEXT_SLOT_NOT_REACHED, "Minimum context slot has not been reached", {"contextSlot": slot})
    return slot


def in_context(slot: int, value: Json) -> Json:
    """An answer that tells the slot it is valid for."""
    return {"context": {"apiVersion": API_VERSION, "slot": slot}, "value": value}
