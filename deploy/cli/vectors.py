"""`order-engine verify-vectors`: are quotes, next states and instructions exact?"""

from pathlib import Path
from typing import Annotated

import typer


def verify_vectors(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="Vector files: JSON, or JSON packed by gzip or xz."),
    ],
) -> None:
    """Check quotes, states and instructions against vector files.

    Prints each difference, and fails unless every case is exact.
    """
    from deploy.vectors.command import verify

    raise typer.Exit(verify(files))
