"""What a node knows of signatures, read one by one: an answer that nobody foresaw spoils no other."""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

from solders.rpc.responses import GetSignatureStatusesResp
from solders.transaction_status import TransactionErrorType, TransactionStatus

from activities.solana.errors import ChainUnavailable
from activities.solana.transport import read_answer


class Level(IntEnum):
    """How much of the cluster stands behind a block: this node, a supermajority's votes, or no way back.

    Numbered as `solders.transaction_status.TransactionConfirmationStatus` is.
    """

    PROCESSED = 0
    CONFIRMED = 1
    FINALIZED = 2


@dataclass(frozen=True, slots=True)
class UnreadableError:
    """The transaction failed with an error that this engine does not know, here as the node wrote it."""

    text: str

    def __str__(self) -> str:
        return self.text


ChainError: TypeAlias = TransactionErrorType | UnreadableError


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """What a node knows of a signature: its slot, its error if it failed, and how final that is."""

    slot: int
    error: ChainError | None
    level: Level


@dataclass(frozen=True, slots=True)
class Statuses:
    """Statuses in the order asked, None where the node knows nothing, as of the node's `slot`."""

    slot: int
    values: tuple[SignatureStatus | None, ...]

    @staticmethod
    def from_json(text: str) -> "Statuses":
        """Read an answer to getSignatureStatuses; raises ValueError when it is none."""
        try:
            answer = read_answer(text, GetSignatureStatusesResp)
        except ChainUnavailable:
            return _one_by_one(text)
        return Statuses(answer.context.slot, tuple(map(_status, answer.value)))


_LEVEL_NAMES = {"processed": Level.PROCESSED, "confirmed": Level.CONFIRMED, "finalized": Level.FINALIZED}


def _status(value: TransactionStatus | None) -> SignatureStatus | None:
    if value is None:
        return None
    known = value.confirmation_status
    # Nodes that do not tell the level give no number of confirmations for what is rooted.
    rooted = Level.FINALIZED if value.confirmations is None else Level.PROCESSED
    return SignatureStatus(value.slot, value.err, rooted if known is None else Level(int(known)))


def _one_by_one(text: str) -> Statuses:
    try:
        result = json.loads(text)["result"]
        slot, values = result["context"]["slot"], result["value"]
    except (LookupError, TypeError) as error:
        raise ValueError("no list of statuses") from error
    if not isinstance(slot, int) or not isinstance(values, list):
        raise ValueError("no list of statuses")
    return Statuses(slot, tuple(_alone(value) for value in values))


def _alone(value: Any) -> SignatureStatus | None:
    """One status; what cannot be read of it is taken for the least that it can mean, a failure that may be undone."""
    if value is None:
        return None
    single = {"jsonrpc": "2.0", "id": 0, "result": {"context": {"slot": 0}, "value": [value]}}
    try:
        return _status(read_answer(json.dumps(single), GetSignatureStatusesResp).value[0])
    except ChainUnavailable:
        pass
    fields = value if isinstance(value, dict) else {}
    slot, level = fields.get("slot"), _LEVEL_NAMES.get(str(fields.get("confirmationStatus")))
    failed = fields.get("err") is not None
    if not isinstance(slot, int) or level is None or not failed:
        return SignatureStatus(slot if isinstance(slot, int) else 0, _unreadable(value), Level.PROCESSED)
    return SignatureStatus(slot, _unreadable(fields["err"]), level)


def _unreadable(value: Any) -> UnreadableError:
    return UnreadableError(json.dumps(value)[:300])
