"""What a client's call may end with.

ClientError
├── ApiRefused       the API says no: a problem document with a stable code
└── ApiUnreachable   no answer, or none of the API, within the client's patience
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """A call that did not come to what it was for."""


class ApiRefused(ClientError):
    """A problem document (RFC 9457). `code` is one of the engine's error table and never changes its meaning.

    `retry_after` is there where the same call may succeed after so many seconds, and the client's patience was over.
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = dict(problem)
        self.code = str(problem.get("code", "unknown"))
        self.status = int(problem.get("status", 0))
        self.detail = str(problem.get("detail") or problem.get("title") or "")
        self.advice = str(problem.get("advice", ""))
        after = problem.get("retryAfter")
        self.retry_after = after if isinstance(after, int) else None
        # The fields at fault, by name, with what is wrong with each.
        self.fields: Mapping[str, str] = {
            str(each.get("field")): str(each.get("detail")) for each in problem.get("errors", ())
        }
        super().__init__(f"{self.code}: {self.detail}. {self.advice}".strip())


class ApiUnreachable(ClientError):
    """The API does not answer. What was asked for may have happened; asking again under the same name is safe."""
