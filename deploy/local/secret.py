"""The password of the embedded servers, made once for a data directory.

Loopback is open to every user of the machine. Whoever may log in to PostgreSQL as its superuser may also run programs
as the user of that server, so even a local stack asks for a password.
"""

import os
import secrets
from pathlib import Path

from deploy.local.errors import StackError


def password(data_dir: Path) -> str:
    """The password kept in this data directory, made on first use. Raises StackError when it cannot be read."""
    path = data_dir / "password"
    try:
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text().strip()
    except OSError as error:
        raise StackError(f"{path} cannot be used: {error.strerror}") from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, at no moment otherwise."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
