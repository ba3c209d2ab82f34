"""Alert rules and dashboards as files: complete, about metrics that exist, and with advice that can be followed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import activities.metrics
import activities.solana.metrics
import api.metrics
import deploy.localnet.metrics
import deploy.telemetry.calls
from activities.settings import WorkerSettings
from db.vitals import InFlight, Vitals
from deploy.cli.main import app
from deploy.cli.settings import variable_of
from deploy.telemetry.vitals import vitals_metrics, vitals_up
from tests.telemetry.panels import DASHBOARDS, ROOT, dashboard, metrics_of, panels
from tests.telemetry.prometheus import CONFIGURATION, needs_prometheus, promtool
from workflows.domain.lifecycle import Status
from workflows.domain.reconciliation import FindingKind

UNIT_TESTS = ROOT / "tests" / "telemetry" / "alerts.test.yml"
INSTRUMENTED = (
    activities.metrics,
    activities.solana.metrics,
    api.metrics,
    deploy.localnet.metrics,
    deploy.telemetry.calls,
)
VITALS = Vitals((InFlight(Status.ROUTING, 1, 0),), 0, 0, dict.fromkeys(FindingKind, 0), 0, halted=False)


def rules() -> list[Mapping[str, Any]]:
    groups = yaml.safe_load((CONFIGURATION / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def known_metrics() -> set[str]:
    """The names under which Prometheus stores what the engine measures."""
    assert INSTRUMENTED
    families = [*REGISTRY.collect(), *vitals_metrics(VITALS), vitals_up(1)]
    names = set()
    for family in families:
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


def asked() -> Iterator[tuple[str, str]]:
    """Every expression, with where it stands."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for expression in panel.expressions:
            yield f"{panel.dashboard}: {panel.title}", expression


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(rule: Mapping[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert all(text.strip() for text in rule["annotations"].values())


def test_every_metric_that_is_asked_for_exists() -> None:
    known = known_metrics()
    missing = {where: metrics_of(text) - known for where, text in asked() if metrics_of(text) - known}
    assert missing == {}


def test_the_advice_names_commands_and_settings_that_exist() -> None:
    commands = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    settings = {variable_of(WorkerSettings, name) for name in WorkerSettings.model_fields}
    advice = " ".join(rule["annotations"]["runbook"] for rule in rules())
    assert set(re.findall(r"order-engine ([a-z]+)", advice)) <= commands
    assert set(re.findall(r"ORDER_ENGINE_\w+", advice)) <= settings


def test_every_alert_is_tried_both_ways() -> None:
    names = [case["name"] for case in yaml.safe_load(UNIT_TESTS.read_text())["tests"]]
    assert sorted(names) == sorted(f"{rule['alert']} {how}" for rule in rules() for how in ("fires", "stays quiet"))


@needs_prometheus
@pytest.mark.timeout(300)
def test_prometheus_accepts_rules_and_configurations() -> None:
    promtool("check", "rules", CONFIGURATION / "alerts.yml")
    for name in ("prometheus.yml", "local.yml"):
        promtool("check", "config", "--syntax-only", CONFIGURATION / name)


@needs_prometheus
@pytest.mark.timeout(300)
def test_every_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", UNIT_TESTS)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Any) -> None:
    found = dashboard(path)
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    uids = {source["uid"] for source in sources["datasources"]}
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    for panel in found["panels"]:
        assert panel["datasource"]["uid"] in uids
        assert panel["title"]
        assert panel["description"]
        place = panel["gridPos"]
        cells = {(place["x"] + column, place["y"] + line) for column in range(place["w"]) for line in range(place["h"])}
        assert max(column for column, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_dashboards_have_names_of_their_own() -> None:
    assert len(DASHBOARDS) == 3
    assert len({dashboard(path)["uid"] for path in DASHBOARDS}) == 3
