"""Trading over a stream: the client's commands side by side, each answered under its own id."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocketDisconnect

from api.commands import OrderCommands
from api.present import WebUi, order_out
from api.problems import document
from api.schemas import Wire
from api.stream import Send, SlowClient
from api.stream_schemas import Amend, Cancel, CancelAll, CancelAllAfter, Command, CommandResult, Place, RequestProblem
from db.rows import OrderView
from workflows.domain.access import Scope
from workflows.domain.errors import EngineError, ErrorCode

log = logging.getLogger(__name__)

# Commands of one stream that may be under way at a time.
_MOST_COMMANDS = 100

# Lets a command in, or raises EngineError: the key must still be good, have the scope, and calls left.
Admit = Callable[[Scope], Awaitable[object]]


class StreamTrading:
    """Carries out the commands of one stream of an account."""

    def __init__(self, commands: OrderCommands, web_ui: WebUi, account: str, admit: Admit, send: Send) -> None:
        self._commands = commands
        self._web_ui = web_ui
        self._account = account
        self._admit = admit
        self._send = send
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, command: Command) -> None:
        """Begin a command, which is answered when it is done. Raises EngineError `rate_limited`."""
        if len(self._under_way) >= _MOST_COMMANDS:
            raise EngineError(ErrorCode.RATE_LIMITED, f"{_MOST_COMMANDS} commands of the stream are under way")
        task = asyncio.create_task(self._answer(command))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finished(self) -> None:
        """Return once every command that was begun is done, whether or not the client is there to hear of it."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _answer(self, command: Command) -> None:
        answer: Wire
        try:
            await self._admit(Scope.TRADE)
            answer = await self._carry_out(command)
        except EngineError as error:
            answer = RequestProblem(id=command.id, problem=document(error))
        except Exception as error:
            failure = EngineError(ErrorCode.INTERNAL_ERROR, "an unexpected error; it is in the log of the API")
            answer = RequestProblem(id=command.id, problem=document(failure))
            log.error("%s on a stream failed: %s", command.op, answer.problem["instance"], exc_info=error)
        # A client that is gone asks again under the same key.
        with contextlib.suppress(SlowClient, WebSocketDisconnect, RuntimeError):
            await self._send(answer)

    async def _carry_out(self, command: Command) -> CommandResult:
        replayed, result = False, Wire()
        match command:
            case Place():
                view, replayed = await self._commands.place(command.order, self._account)
                result = order_out(view, self._web_ui)
            case Cancel():
                result = await self._commands.cancel(command.order_id, self._account, command.idempotency_key)
            case Amend():
                result = order_out(await self._amended(command), self._web_ui)
            case CancelAll():
                result = await self._commands.cancel_all(command.filter, self._account)
            case CancelAllAfter():
                result = await self._commands.cancel_all_after({"seconds": command.seconds}, self._account)
        return CommandResult(id=command.id, op=command.op, replayed=replayed, result=result)

    async def _amended(self, command: Amend) -> OrderView:
        if command.version is None:
            raise EngineError(ErrorCode.VERSION_REQUIRED, "the command does not say which version it is about")
        versions = None if command.version == "*" else frozenset({command.version})
        return await self._commands.amend(
            command.order_id, command.changes, self._account, versions, command.idempotency_key
        )
