"""The panels of the dashboards and the expressions behind them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))

_METRIC = re.compile(r"\border_engine_\w+")


@dataclass(frozen=True)
class Panel:
    """One panel and what it asks."""

    dashboard: str
    title: str
    expressions: tuple[str, ...]


def dashboard(path: Path) -> dict[str, Any]:
    """A dashboard as it is provisioned."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def panels() -> Iterator[Panel]:
    """Every panel."""
    for path in DASHBOARDS:
        for panel in dashboard(path)["panels"]:
            yield Panel(path.stem, panel["title"], tuple(target["expr"] for target in panel["targets"]))


def metrics_of(expression: str) -> set[str]:
    """The engine's own metrics that an expression names."""
    return set(_METRIC.findall(expression))
