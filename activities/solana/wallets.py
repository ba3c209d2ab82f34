"""Named wallets: an order names a wallet, never a key. Keys stay behind solana-keychain's signer interface."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from solana_keychain.core.errors import SignerError
from solana_keychain.core.signer import TransactionSigner
from solders.message import to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from activities.solana.signers.keys import KeyDirectory, KeyUnusable
from workflows.domain.errors import EngineError, ErrorCode

log = logging.getLogger(__name__)

# Half of what preparing a swap may take in all: a service that hangs is a reason, not a time-out of the order.
_SIGNING_SECONDS = 5.0


class Permission(Protocol):
    """What may forbid to sign; `activities.solana.clusters.ClusterGuard` does on the wrong cluster."""

    async def allow(self) -> None: ...


class Wallets:
    """The wallets whose signers are given, or whose key files are in a directory."""

    def __init__(self, signers: Mapping[str, TransactionSigner] | Path, permission: Permission | None = None) -> None:
        self._signers = KeyDirectory(signers) if isinstance(signers, Path) else signers
        self._permission = permission

    def address(self, name: str) -> Pubkey:
        """The wallet's address; raises EngineError `wallet_unknown`."""
        return self._signer(name).pubkey

    async def sign(self, name: str, transaction: VersionedTransaction) -> VersionedTransaction:
        """The transaction with the wallet's signature, which is checked against the bytes that were to be signed.

        Raises EngineError `wallet_unknown` or `signing_failed`, and what the permission to sign raises.
        """
        signer = self._signer(name)
        if self._permission is not None:
            await self._permission.allow()
        message = to_bytes_versioned(transaction.message)
        try:
            async with asyncio.timeout(_SIGNING_SECONDS):
                signed = (await signer.sign_transaction(transaction)).transaction
        except TimeoutError:
            raise _failed(name, f"no signature within {_SIGNING_SECONDS:g} s") from None
        except SignerError as error:
            raise _failed(name, error.code.value) from None
        # A service's library may let through whatever it meets. None of its text is repeated: it may quote the service,
        # and what the service quotes is not ours to know.
        except Exception as error:
            raise _failed(name, type(error).__name__) from None
        if not _is_signed_by(signer.pubkey, message, signed):
            raise _failed(name, "it signed something else than it was asked to, or with another key")
        return signed

    def _signer(self, name: str) -> TransactionSigner:
        try:
            return self._signers[name]
        except KeyError:
            raise EngineError(ErrorCode.WALLET_UNKNOWN, f"no wallet is named {name!r}") from None
        except KeyUnusable:
            raise EngineError(ErrorCode.WALLET_UNKNOWN, f"the key file of wallet {name!r} is unreadable") from None


def _failed(name: str, why: str) -> EngineError:
    log.warning("wallet %r did not sign: %s", name, why)
    return EngineError(ErrorCode.SIGNING_FAILED, f"wallet {name!r} did not sign: {why}")


def _is_signed_by(key: Pubkey, message: bytes, signed: VersionedTransaction) -> bool:
    """Whether these very bytes carry the one signature that they need, by this key."""
    signers = signed.message.account_keys[: signed.message.header.num_required_signatures]
    return (
        to_bytes_versioned(signed.message) == message
        and signers == [key]
        and len(signed.signatures) == 1
        and signed.signatures[0].verify(key, message)
    )
