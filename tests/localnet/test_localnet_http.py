"""The HTTP server of the simulated cluster, byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from deploy.localnet.http_server import JSON, Connections, Reply, Request


async def echo_later(request: Request) -> Reply:
    """Answer after everybody else had a turn."""
    for _ in range(5):
        await asyncio.sleep(0)
    return Reply(HTTPStatus.OK, JSON, request.body or b"")


def echo(request: Request) -> Reply | asyncio.Future[Reply]:
    """Answer with the body, late on /late."""
    if request.path == "/late":
        return asyncio.ensure_future(echo_later(request))
    return Reply(HTTPStatus.OK, JSON, f"{request.method} {request.path} ".encode() + (request.body or b""))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server that answers with what it was sent, up to 1,000 bytes."""
    connections = Connections(echo, 1_000)
    server = await asyncio.get_running_loop().create_server(connections.protocol, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    connections.close()
    await server.wait_closed()


async def exchange(port: int, *parts: bytes) -> bytes:
    """Everything that the server sends until it closes; the last part must ask for that."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.01)
    received = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return received


LAST = b"POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 3\r\n\r\nend"


async def test_a_request_may_come_in_pieces(port: int) -> None:
    received = await exchange(port, b"PO", b"ST /x HTTP/1.1\r\ncontent-le", b"ngth: 4\r\n\r\nab", b"cd", LAST)

    assert received.startswith(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\nPOST /x abcd"
    )
    assert received.endswith(b"connection: close\r\n\r\nPOST / end")


async def test_a_chunked_body_is_put_together(port: int) -> None:
    head = b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"

    assert b"POST /x abcde" in await exchange(port, head + b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", LAST)


async def test_requests_in_a_row_are_answered_in_order(port: int) -> None:
    late = b"POST /late HTTP/1.1\r\ncontent-length: 5\r\n\r\nfirst"
    soon = b"POST /soon HTTP/1.1\r\ncontent-length: 6\r\n\r\nsecond"

    received = await exchange(port, late + soon + LAST)

    assert received.index(b"first") < received.index(b"second") < received.index(b"end")


async def test_a_client_that_asks_first_is_told_to_go_on(port: int) -> None:
    head = b"POST /x HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"

    assert (await exchange(port, head, b"ab", LAST)).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_a_long_body_is_refused_and_the_connection_kept(port: int) -> None:
    body = b"x" * 1_001
    long = b"POST / HTTP/1.1\r\ncontent-length: 1001\r\n\r\n" + body

    received = await exchange(port, long, LAST)

    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.endswith(b"POST / end")


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\x00\x01", b"hello\r\n\r\n"])
async def test_what_is_not_http_is_refused(port: int, nonsense: bytes) -> None:
    assert (await exchange(port, nonsense)).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_an_old_client_is_answered_and_left(port: int) -> None:
    received = await exchange(port, b"GET /health HTTP/1.0\r\n\r\n")

    assert received.endswith(b"GET /health ")
