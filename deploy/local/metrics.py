"""Where the processes of a stack serve their metrics, and the file that tells Prometheus."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.local.preconditions import bind_failure
from deploy.local.settings import StackSettings
from deploy.local.state import ProcessRecord

TARGETS_FILE = "prometheus-targets.json"

_HOST = "127.0.0.1"


def worker_names(settings: StackSettings) -> list[str]:
    """The names of the worker processes."""
    return ["worker"] if settings.workers == 1 else [f"worker-{n + 1}" for n in range(settings.workers)]


def metrics_ports(settings: StackSettings) -> Mapping[str, int]:
    """A free port for each process that measures, from the first one of the settings on; empty when there is none.

    Nobody but Prometheus looks for them, who is told by the file: a port that is taken is passed over.
    """
    if not settings.metrics_port:
        return {}
    names = ["api", *worker_names(settings)]
    if settings.solana_rpc_url is None:
        names.append("localnet")
    others = set(settings.ports().values())
    free = (
        port
        for port in range(settings.metrics_port, 65_536)
        if port not in others and bind_failure(_HOST, port) is None
    )
    return dict(zip(names, free, strict=False))


def metrics_url(ports: Mapping[str, int], name: str) -> str:
    """Where the process serves its metrics; empty when it does not."""
    return f"http://{_HOST}:{ports[name]}/metrics" if name in ports else ""


def write_targets(data_dir: Path, processes: Iterable[ProcessRecord]) -> None:
    """Tell Prometheus what there is to scrape (file_sd_config); raises OSError."""
    targets = [
        {
            "targets": [each.metrics.removeprefix("http://").removesuffix("/metrics")],
            "labels": {"job": each.name.partition("-")[0]},
        }
        for each in processes
        if each.metrics
    ]
    unfinished = data_dir / f"{TARGETS_FILE}.new"
    unfinished.write_text(json.dumps(targets, indent=2) + "\n")
    unfinished.replace(data_dir / TARGETS_FILE)


def forget_targets(data_dir: Path) -> None:
    """Nothing is to be scraped any more: a stack that was stopped is no process that is down."""
    (data_dir / TARGETS_FILE).unlink(missing_ok=True)
