"""The machine's root certificates are read once per process, not once per HTTP client. A pytest plugin.

Tests make thousands of clients, of servers without TLS; to read the certificates takes each longer than its requests.
"""

import functools
import ssl
from typing import Any

import certifi
import httpcore2
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """From now on, clients that trust what everybody trusts share that; a context of other terms is made as ever."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    make = ssl.create_default_context
    usual = make(cafile=certifi.where())

    def shared(*args: Any, **options: Any) -> ssl.SSLContext:
        return usual if not args and options == {"cafile": certifi.where()} else make(*args, **options)

    patch.setattr(ssl, "create_default_context", shared)
    patch.setattr(httpcore2, "default_ssl_context", functools.cache(httpcore2.default_ssl_context))
