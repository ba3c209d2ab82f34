"""The product's own audit of a stack, run as its users run it."""

import asyncio
import os

from tests.chaos import facts
from tests.e2e.stack import COMMAND, ROOT, Stack


async def product_audit(stack: Stack) -> str:
    """The line of figures that `order-engine audit` prints, or what it says instead."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "audit", "--verbose", "--grace", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **facts.environment(stack)},
    )
    said, complained = await process.communicate()
    first, *findings = said.decode().splitlines() or [""]
    if process.returncode == 0:
        return first
    return "\n".join([first, *findings, complained.decode()])
