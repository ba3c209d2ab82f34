"""A TCP line to a server that can be cut, or made deaf."""

import asyncio
from contextlib import suppress


class Line:
    """Forwards connections to a server. Cut, it refuses them; deaf, it takes what clients say and answers nothing."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._deaf = False
        self._server: asyncio.Server | None = None
        self._own_port = 0
        self._pipes: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return f"127.0.0.1:{self._own_port}"

    async def open(self) -> None:
        """Take connections, those before are ended."""
        await self.cut()
        self._deaf = False
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self._own_port)
        self._own_port = self._server.sockets[0].getsockname()[1]

    def deafen(self) -> None:
        """From now on no answer comes through."""
        self._deaf = True

    async def cut(self) -> None:
        """End every connection and take no other."""
        if self._server is not None:
            self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        for pipe in (self._pipe(reader, back, False), self._pipe(there, writer, True)):
            task = asyncio.create_task(pipe)
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
        try:
            while data := await source.read(65_536):
                if not (answers and self._deaf):
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
            with suppress(ConnectionError):
                await sink.wait_closed()
