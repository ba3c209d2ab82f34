"""One run of the local stack, from the first check to the last process gone."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence

from deploy.local import environment, state
from deploy.local.metrics import forget_targets, write_targets
from deploy.local.orphans import adopt_orphans, end_descendants
from deploy.local.postgres import Cluster
from deploy.local.preconditions import create_data_directory, exclusive, require_free_ports
from deploy.local.services import stack_units
from deploy.local.settings import StackSettings
from deploy.local.supervisor import Supervisor

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: StackSettings, announce: Callable[[str], None]) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP; return with none of its processes left.

    `announce` gets one line per event. Raises StackError when the stack cannot start: nothing runs then either.
    """
    create_data_directory(settings.data_dir)
    with exclusive(settings.data_dir):
        for name in state.end_leftovers(settings.data_dir):
            announce(f"{name:<10} left over from a run that was killed: ended")
        if settings.database_url is None:
            Cluster(settings.data_dir, settings.postgres_port).check()
        require_free_ports(settings.ports(), {"api-port": settings.api_host})
        adopt_orphans()
        try:
            asyncio.run(_Run(settings, announce).until_stopped())
        finally:
            end_descendants()


class _Run:
    def __init__(self, settings: StackSettings, announce: Callable[[str], None]):
        self._settings = settings
        self._announce = announce
        self._ready = False
        self._stop_asked = asyncio.Event()
        self._supervisor = Supervisor(
            stack_units(settings),
            logs=settings.data_dir / "logs",
            start_timeout=settings.start_timeout,
            announce=announce,
            changed=self._write_state,
        )

    async def until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            # nohup ignores SIGHUP, and means it; a shell ignores SIGINT for its background jobs without being asked.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal)
        serving = asyncio.create_task(self._serve())
        stopping = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            serving.cancel()
            (outcome,) = await asyncio.gather(serving, return_exceptions=True)
            await self._supervisor.stop()
            state.remove(self._settings.data_dir)
            forget_targets(self._settings.data_dir)
        if isinstance(outcome, Exception):
            raise outcome
        self._announce("stopped")

    async def _serve(self) -> None:
        await self._supervisor.start()
        self._ready = True
        self._write_state()
        for line in [*_ready_lines(self._settings), *_metrics_lines(self._state().processes)]:
            self._announce(line)
        await self._supervisor.keep()

    def _on_signal(self) -> None:
        """The first signal stops the stack in order, a second one at once."""
        if self._stop_asked.is_set():
            self._supervisor.kill()
        self._stop_asked.set()

    def _write_state(self) -> None:
        """A full disk must not stop what runs: `status` is wrong then, and the user is told."""
        try:
            now = self._state()
            state.write(self._settings.data_dir, now)
            write_targets(self._settings.data_dir, now.processes)
        except OSError as error:
            self._announce(f"the state file cannot be written: {error}")

    def _state(self) -> state.StackState:
        pid, born = os.getpid(), state.birth(os.getpid())
        return state.StackState(
            supervisor=state.ProcessRecord(
                name="up", pid=pid, address="", stop_signal=signal.SIGTERM, born=born or "unknown"
            ),
            ready=self._ready,
            environment=environment.engine_environment(self._settings),
            processes=tuple(self._supervisor.processes()),
        )


def _ready_lines(settings: StackSettings) -> list[str]:
    api = environment.api_url(settings)
    lines = [f"ready {api}", f"  API docs         {api}/docs"]
    ui_url = environment.temporal_ui_url(settings)
    if ui_url is not None:
        lines.append(f"  Temporal Web UI  {ui_url}")
    if settings.solana_rpc_url is None:
        lines.append(f"  Solana RPC       {environment.solana_rpc_url(settings)}")
    return lines


def _metrics_lines(processes: Sequence[state.ProcessRecord]) -> list[str]:
    return [f"  Metrics          {each.metrics} ({each.name})" for each in processes if each.metrics]
