"""The embedded Temporal server with its Web UI: the development server of Temporal's own CLI, on a SQLite file."""

import sysconfig
from collections.abc import Mapping
from pathlib import Path

from deploy.local.settings import StackSettings

# The development server has one history shard, so what is a limit per shard on a cluster limits everything here.
# deploy/temporal/dynamicconfig.yaml gives the same values to the server of docker-compose.yml.
DYNAMIC_CONFIG: Mapping[str, str] = {
    # Under steady load each hop between tasks waits up to 50 ms at the default of 20.
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    # Timers and retries of activities fire up to a second late at the default of 1 s.
    "history.timerProcessorMaxTimeShift": '"10ms"',
    # Who holds a half-done workflow task is given longer each time that its holder dies, up to ten minutes more by
    # default: an order that met some deaths in a row would wait that long for the next one to be noticed.
    "history.workflowTaskRetryMaxInterval": '"5s"',
    # Lists of workflows catch up sooner.
    "history.visibilityProcessorMaxPollRPS": "200",
    # Four partitions by default, each with a backlog of its own: under load an order then waits by chance several
    # times as long as others. One partition hands tasks out in their order, and thousands a second.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # Accounts take turns in a backlog, so that one with a thousand orders does not hold up the others.
    "matching.enableFairness": "true",
}


def _directory(settings: StackSettings) -> Path:
    return settings.data_dir / "temporal"


async def create(settings: StackSettings) -> None:
    """Make the directory of the server's state, which nobody else may read: it holds every order."""
    _directory(settings).mkdir(mode=0o700, exist_ok=True)


def command(settings: StackSettings) -> list[str]:
    """The server in the foreground, logging warnings and errors to its standard error."""
    program = Path(sysconfig.get_path("scripts")) / "temporal"
    arguments = {
        "--ip": "127.0.0.1",
        "--port": str(settings.temporal_port),
        "--ui-port": str(settings.temporal_ui_port),
        "--db-filename": str(_directory(settings) / "temporal.db"),
        "--namespace": settings.temporal_namespace,
        # With a log written ahead a commit costs one flush to disk instead of several, and is as durable.
        "--sqlite-pragma": "journal_mode=wal",
        "--log-level": "warn",
    }
    options = [part for pair in arguments.items() for part in pair]
    for key, value in DYNAMIC_CONFIG.items():
        options += ["--dynamic-config-value", f"{key}={value}"]
    return [str(program), "server", "start-dev", *options]
