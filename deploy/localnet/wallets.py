"""Wallet keys, one file per name in the format of the Solana CLI; made on first use, never overwritten."""

import json
import os
import tempfile
from pathlib import Path

from solders.keypair import Keypair


def wallet(directory: Path, name: str) -> Keypair:
    """The keypair in `<directory>/<name>.json`, created (mode 0600) when there is none.

    Raises OSError, or ValueError when the file does not hold a keypair.
    """
    path = directory / f"{name}.json"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=directory)
        with os.fdopen(descriptor, "w") as file:
            json.dump(list(bytes(Keypair())), file)
        # Appears whole or not at all, and never replaces a key.
        os.link(unfinished, path)
        os.unlink(unfinished)
    return Keypair.from_bytes(bytes(json.loads(path.read_text())))
