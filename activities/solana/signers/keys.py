"""Keys that this process holds itself: key files in the form of the Solana CLI, and an environment variable."""

import logging
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from solana_keychain import MemorySigner
from solana_keychain.core.errors import SignerError
from solana_keychain.core.signer import TransactionSigner

from activities.solana.signers.definitions import EnvironmentWallet, WalletsFileError

log = logging.getLogger(__name__)

# Read, write or execute by anybody but the owner.
_OTHERS = 0o077


class KeyUnusable(Exception):
    """A key that is there and cannot be used; the message does not quote it."""


class KeyDirectory(Mapping[str, TransactionSigner]):
    """The key files `<name>.json` of a directory, each read when it is first asked for.

    Raises KeyError for a name without a file, KeyUnusable for a file without a key.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._signers: dict[str, TransactionSigner] = {}

    def __getitem__(self, name: str) -> TransactionSigner:
        if name not in self._signers:
            path = self.path(name)
            # The name comes from a request: it must stay a plain file name of this directory.
            if path.parent != self._directory or not path.is_file():
                raise KeyError(name)
            self._signers[name] = signer_of_file(path)
        return self._signers[name]

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self._directory.glob("*.json")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def path(self, name: str) -> Path:
        """Where the key of a wallet is, or would be."""
        return self._directory / f"{name}.json"


def signer_of_file(path: Path) -> TransactionSigner:
    """The signer of a key file; logs a warning when others may read it. Raises KeyUnusable."""
    exposed = open_to_others(path)
    if exposed is not None:
        log.warning("%s", exposed)
    try:
        return MemorySigner.from_private_key_file(str(path))
    except (SignerError, OSError):
        raise KeyUnusable(f"{path} is not a readable key file") from None


def signer_of_variable(wallet: EnvironmentWallet) -> TransactionSigner:
    """The signer of a key in the environment; raises WalletsFileError."""
    text = os.environ.get(wallet.variable)
    if not text:
        raise WalletsFileError(f"the variable {wallet.variable} is not set")
    try:
        return MemorySigner.from_private_key_string(text)
    except SignerError:
        raise WalletsFileError(f"the variable {wallet.variable} holds no key") from None


def open_to_others(path: Path) -> str | None:
    """What is wrong with the mode of a key file, with the mend; None when only its owner may use it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    return f"{path} has mode {mode:04o}: others may use the key; chmod 600 {path}" if mode & _OTHERS else None
