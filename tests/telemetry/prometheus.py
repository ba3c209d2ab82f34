"""A real Prometheus, Debian's package, where it is installed: `prometheus` and `promtool` on the PATH."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.servers import free_port

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy" / "prometheus"

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None, reason="Prometheus is not installed"
)


def promtool(*arguments: str | Path) -> None:
    """Run promtool; what it finds fails the test."""
    run = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str) -> list[Mapping[str, Any]]:
        """The samples of an expression now, those that are no number left out."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", answer
        samples: list[Mapping[str, Any]] = answer["data"]["result"]
        return [sample for sample in samples if sample["value"][1] != "NaN"]

    def wait_for(self, expressions: Sequence[str], seconds: float) -> list[str]:
        """Expressions that still have no data when all of them have, or when the time is over."""
        deadline = time.monotonic() + seconds
        missing = list(expressions)
        while missing and time.monotonic() < deadline:
            missing = [each for each in missing if not self.query(each)]
            time.sleep(0.2)
        return missing


@contextlib.contextmanager
def running_prometheus(directory: Path, targets: Path) -> Iterator[Prometheus]:
    """A server with the configuration of the local stack that looks every second, at the processes of `targets`."""
    configuration = yaml.safe_load((CONFIGURATION / "local.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(CONFIGURATION / "alerts.yml")]
    (job,) = configuration["scrape_configs"]
    job["file_sd_configs"] = [{"files": [str(targets)], "refresh_interval": "1s"}]
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    port = free_port()
    arguments = [f"--config.file={file}", f"--storage.tsdb.path={directory}", f"--web.listen-address=127.0.0.1:{port}"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(["prometheus", *arguments], stdout=log, stderr=log)
    server = Prometheus(f"http://127.0.0.1:{port}")
    try:
        while not _ready(server):
            assert process.poll() is None, (directory / "log").read_text()
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait()


def _ready(server: Prometheus) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{server.url}/-/ready").is_success
    return False
