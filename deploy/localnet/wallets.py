"""Wallet keys, one file per name in the format of the Solana CLI; made on first use, never overwritten."""

import json
import os
from pathlib import Path

from solders.keypair import Keypair


def wallet(directory: Path, name: str) -> Keypair:
    """The keypair in `<directory>/<name>.json`, created (mode 0600) when there is none.

    Raises OSError, or ValueError when the file does not hold a keypair.
    """
    path = directory / f"{name}.json"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        keypair = Keypair()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(list(bytes(keypair)), file)
        return keypair
    return Keypair.from_bytes(bytes(json.loads(path.read_text())))
