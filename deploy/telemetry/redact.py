"""What must not stand in a log: keys, credentials in addresses, Authorization headers."""

import re
from collections.abc import Iterable

_HIDDEN = "[redacted]"

# Nodes take their users' keys in the path or the query of their address, servers passwords before the host.
_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://)(?:[^/\s'\"?#@]*@)?([^/\s'\"?#,)]+)([^\s'\",)]*)", re.IGNORECASE)
_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?")

_PATTERNS = (
    # Headers and settings by their names, whatever form the value has.
    re.compile(
        r"(?i)(?P<keep>\b(?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|token)\s+)?)[^\s'\",}]+"
    ),
    re.compile(
        r"(?i)(?P<keep>\b(?:x-)?(?:api[-_]?key|vault[-_]?token|access[-_]?token|password|secret)['\"]?\s*[:=]\s*['\"]?)"
        r"[^\s'\",&}]+"
    ),
    re.compile(r"(?i)(?P<keep>\bbearer\s+)[^\s'\",}]+"),
    # Keys of this API: the id tells which, the rest is the secret.
    re.compile(r"(?P<keep>\boek_[a-z2-7]{12}_)[A-Za-z0-9_-]{8,}"),
    # A Solana key file: 64 numbers.
    re.compile(r"(?P<keep>\[)\s*(?:\d{1,3}\s*,\s*){31,}\d{1,3}\s*(?=\])"),
)


class Redactor:
    """Takes out of a text what looks like a secret, and the given secrets whatever they look like."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first: one may be a part of another. Shorter ones would take words apart.
        known = sorted({secret for secret in secrets if len(secret) >= 8}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        if "://" in text:
            text = _URL.sub(_public, text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<keep>{_HIDDEN}", text)
        return self._known.sub(_HIDDEN, text) if self._known else text


def _public(found: re.Match[str]) -> str:
    scheme, host, rest = found.groups()
    # Paths of servers on this machine lead to pages of ours and help whoever reads.
    if _LOOPBACK.fullmatch(host) and "?" not in rest and "@" not in found[0]:
        return f"{scheme}{host}{rest}"
    return f"{scheme}{host}"
