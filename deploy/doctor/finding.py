"""What a check found: one line, and what to do about it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

# A check that takes longer has found that nobody answers.
_PATIENCE_SECONDS = 15.0


class Verdict(StrEnum):
    """How bad it is: a failure keeps orders from being traded, a warning may."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, its verdict, what was found in one line, and the mend where one is needed."""

    check: str
    verdict: Verdict
    says: str
    mend: str = ""


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, says)


def warning(check: str, says: str, mend: str) -> Finding:
    """It works, for now or less well."""
    return Finding(check, Verdict.WARNING, says, mend)


def failure(check: str, says: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAILURE, says, mend)


async def examined(check: str, mend: str, examine: Callable[[], Awaitable[Sequence[Finding]]]) -> Sequence[Finding]:
    """What a check finds; whatever it raises is its finding, with the mend of the thing not being there at all."""
    try:
        return await asyncio.wait_for(examine(), _PATIENCE_SECONDS)
    except TimeoutError:
        return [failure(check, f"no answer within {_PATIENCE_SECONDS:g} s", mend)]
    except Exception as error:
        return [failure(check, told(error), mend)]


def told(error: BaseException) -> str:
    """An error in one line, without what may be secret in the addresses that it quotes."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {public(text)}" if text else type(error).__name__


def public(text: str) -> str:
    """The text with every URL cut down to scheme and host: nodes take their users' keys in the path or the query."""
    return re.sub(r"(\w+://)(?:[^/\s'\"?#]*@)?([^/\s'\"?#,)]+)[^\s'\",)]*", r"\1\2", text)
