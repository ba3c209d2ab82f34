"""Named wallets: an order names a wallet, never a key. Keys stay behind solana-keychain's signer interface."""

from pathlib import Path

from solana_keychain import MemorySigner
from solana_keychain.core.errors import SignerError
from solana_keychain.core.signer import TransactionSigner
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from workflows.domain.errors import EngineError, ErrorCode


class Wallets:
    """The wallets of a directory of Solana CLI key files, `<name>.json`, read when first used."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._signers: dict[str, TransactionSigner] = {}

    def address(self, name: str) -> Pubkey:
        """The wallet's address; raises EngineError `wallet_unknown`."""
        return self._signer(name).pubkey

    async def sign(self, name: str, transaction: VersionedTransaction) -> VersionedTransaction:
        """The transaction with the wallet's signature; raises EngineError `wallet_unknown` or `signing_failed`."""
        signer = self._signer(name)
        try:
            signed = await signer.sign_transaction(transaction)
        except SignerError as error:
            # The error's own text is not repeated: it may quote what a signing service said.
            raise EngineError(ErrorCode.SIGNING_FAILED, f"wallet {name!r} did not sign: {error.code}") from None
        return signed.transaction

    def _signer(self, name: str) -> TransactionSigner:
        if name not in self._signers:
            path = self._directory / f"{name}.json"
            # The name comes from a request: it must stay a plain file name of this directory.
            if path.parent != self._directory or not path.is_file():
                raise EngineError(ErrorCode.WALLET_UNKNOWN, f"no wallet is named {name!r}")
            try:
                self._signers[name] = MemorySigner.from_private_key_file(str(path))
            except (SignerError, OSError):
                raise EngineError(ErrorCode.WALLET_UNKNOWN, f"the key file of wallet {name!r} is unreadable") from None
        return self._signers[name]
