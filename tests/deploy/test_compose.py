"""docker-compose.yml, checked as far as that goes without a container engine.

Its form is checked against the Compose specification; what it says against the commands, settings and files of this
repository, and against the variables and ports that the upstream images document.
"""

import functools
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic_settings import BaseSettings

from activities.settings import WorkerSettings
from api.settings import ApiSettings
from db.settings import DatabaseSettings
from deploy.cli.healthcheck import Process
from deploy.cli.main import app
from deploy.local.settings import StackSettings
from deploy.local.temporal import DYNAMIC_CONFIG
from deploy.localnet.settings import LocalnetSettings
from deploy.registry import RegistrySettings
from deploy.telemetry.settings import TelemetrySettings

ROOT = Path(__file__).parents[2]

# What the documentation of each upstream image names: variables, and the port it listens on.
UPSTREAM_VARIABLES: Mapping[str, set[str]] = {
    "postgres": {"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "PGDATA"},
    "valkey/valkey": set(),
    "temporalio/admin-tools": {"SQL_HOST", "SQL_PORT", "SQL_USER", "SQL_PASSWORD"},
    "temporalio/server": {
        "DB",
        "DB_PORT",
        "POSTGRES_SEEDS",
        "POSTGRES_USER",
        "POSTGRES_PWD",
        "NUM_HISTORY_SHARDS",
        "BIND_ON_IP",
        "DYNAMIC_CONFIG_FILE_PATH",
        "LOG_LEVEL",
    },
    "temporalio/ui": {"TEMPORAL_ADDRESS", "TEMPORAL_UI_PORT", "TEMPORAL_CORS_ORIGINS"},
    "prom/prometheus": set(),
    "grafana/grafana": {
        "GF_AUTH_ANONYMOUS_ENABLED",
        "GF_SECURITY_ADMIN_PASSWORD",
        "GF_ANALYTICS_REPORTING_ENABLED",
    },
}
UPSTREAM_PORTS = {
    "postgres": 5432,
    "valkey/valkey": 6379,
    "temporalio/server": 7233,
    "temporalio/ui": 8080,
    "prom/prometheus": 9090,
    "grafana/grafana": 3000,
}

# Read by the Temporal client itself (temporalio.envconfig).
TEMPORAL_VARIABLES = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}

SETTINGS: Mapping[str, tuple[type[BaseSettings], ...]] = {
    "api": (ApiSettings, TelemetrySettings),
    "worker": (WorkerSettings, TelemetrySettings),
    "localnet": (LocalnetSettings, TelemetrySettings),
    "migrate": (DatabaseSettings,),
    "setup": (RegistrySettings,),
}


@functools.cache
def compose() -> dict[str, Any]:
    """The file with its defaults filled in where it reads variables of the caller."""
    text = (ROOT / "docker-compose.yml").read_text()
    document: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+):-([^}]*)\}", r"\2", text))
    return document


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def engine_services() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if "build" in service}


def image_of(service: Mapping[str, Any]) -> str:
    return str(service["image"]).rpartition(":")[0]


def variables_of(settings: type[BaseSettings]) -> set[str]:
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{name}".upper() for name in settings.model_fields}


def published_ports(service: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    for port in service.get("ports", []):
        host, published, target = port.split(":")
        yield host, int(published), int(target)


def references() -> Iterator[tuple[str, str, int]]:
    """Every `service:port` that a variable of some service names, with the service it stands in."""
    for name, service in services().items():
        for value in service.get("environment", {}).values():
            for host, port in re.findall(r"(?:@|//|^)([a-z][a-z-]*):(\d+)", str(value)):
                yield name, host, int(port)


def listening_port(service: Mapping[str, Any]) -> int:
    if service in engine_services().values():
        command, environment = service["command"], service.get("environment", {})
        if "--port" in command:
            return int(command[command.index("--port") + 1])
        return int(environment["ORDER_ENGINE_API_PORT"])
    return UPSTREAM_PORTS[image_of(service)]


def test_the_form_is_that_of_the_compose_specification() -> None:
    package = pytest.importorskip("check_jsonschema", reason="holds the schema of the Compose specification")
    schema = importlib.resources.files(package) / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose(), json.loads(schema.read_text()))


def test_the_stack_is_complete() -> None:
    assert set(services()) == {
        *("postgres", "redis", "temporal-schema", "temporal", "temporal-ui"),
        *("localnet", "migrate", "setup", "worker", "api"),
        *("prometheus", "grafana"),
    }
    assert services()["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", list(services()))
def test_images_are_pinned(name: str) -> None:
    image, _, tag = services()[name]["image"].rpartition(":")
    assert image
    assert tag not in ("", "latest")


@pytest.mark.parametrize("name", list(engine_services()))
def test_every_command_exists(name: str) -> None:
    known = {command.name for command in app.registered_commands}
    assert services()[name]["command"][0] in known


@pytest.mark.parametrize("name", list(services()))
def test_every_variable_is_known(name: str) -> None:
    service = services()[name]
    given = set(service.get("environment", {}))
    if name in engine_services():
        # StackSettings: what `healthcheck` reads.
        known = TEMPORAL_VARIABLES | variables_of(StackSettings)
        known = known.union(*map(variables_of, SETTINGS[service["command"][0]]))
        assert given <= known
    else:
        assert given <= UPSTREAM_VARIABLES[image_of(service)]


@pytest.mark.parametrize("name", list(engine_services()))
def test_every_required_setting_is_given(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    service = services()[name]
    for variable, value in service.get("environment", {}).items():
        monkeypatch.setenv(variable, value)
    for settings in SETTINGS[service["command"][0]]:
        settings()


@pytest.mark.parametrize(("name", "host", "port"), list(references()))
def test_every_address_is_that_of_a_service(name: str, host: str, port: int) -> None:
    assert port == listening_port(services()[host]), f"{name} looks for {host} on {port}"


def test_published_ports_are_on_loopback_and_lead_to_the_server() -> None:
    published = set()
    for service in services().values():
        for host, port, target in published_ports(service):
            assert host == "127.0.0.1"
            assert target == listening_port(service)
            assert port not in published
            published.add(port)
    assert published == {8080, 8233, 7233, 8899, 9090, 3000}


@pytest.mark.parametrize("name", list(services()))
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    """One-time services have to be done and servers healthy, and who names a server waits for it."""
    needs = services()[name].get("depends_on", {})
    one_time = {"temporal-schema", "migrate", "setup"}
    for need, wait in needs.items():
        assert wait["condition"] == ("service_completed_successfully" if need in one_time else "service_healthy")
        assert need in one_time or "healthcheck" in services()[need]
    addressed = {host for user, host, _ in references() if user == name}
    assert addressed & {"postgres", "temporal", "localnet"} <= waited_for(name) | {name}


def waited_for(name: str) -> set[str]:
    needs = set(services()[name].get("depends_on", {}))
    return needs.union(*(waited_for(need) for need in needs))


def test_workers_and_api_start_last() -> None:
    others = {"postgres", "redis", "temporal-schema", "temporal", "localnet", "migrate", "setup"}
    assert waited_for("worker") == waited_for("api") == others


@pytest.mark.parametrize("name", ["postgres", "redis", "temporal", "localnet", "worker", "api"])
def test_health_is_checked_where_the_process_listens(name: str) -> None:
    service = services()[name]
    kind, *command = service["healthcheck"]["test"]
    assert kind == "CMD"
    if name in engine_services():
        assert command == ["order-engine", "healthcheck", Process(name).value]
        assert service["command"][0] == name
    elif name == "temporal":
        assert command == ["nc", "-z", "127.0.0.1", str(listening_port(service))]


@pytest.mark.parametrize("name", list(engine_services()))
def test_the_engine_runs_without_privileges(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "user" not in service


def test_every_volume_and_file_that_is_mounted_exists() -> None:
    named = set(compose()["volumes"])
    used = set()
    for service in services().values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists()
            else:
                used.add(source)
    assert used == named


def test_workers_read_the_wallets_that_localnet_makes() -> None:
    data_dir = services()["localnet"]["environment"]["ORDER_ENGINE_LOCALNET_DATA_DIR"]
    wallet_dir = services()["worker"]["environment"]["ORDER_ENGINE_WALLET_DIR"]
    assert f"wallets:{data_dir}/wallets" in services()["localnet"]["volumes"]
    assert services()["worker"]["volumes"] == [f"wallets:{wallet_dir}:ro"]


def test_the_temporal_server_is_tuned_as_the_local_one() -> None:
    text = (ROOT / "deploy" / "temporal" / "dynamicconfig.yaml").read_text()
    given = {key: entries[0]["value"] for key, entries in yaml.safe_load(text).items()}
    assert {key: json.loads(value) for key, value in DYNAMIC_CONFIG.items()}.items() <= given.items()


def test_monitoring_is_started_only_when_asked_for() -> None:
    optional = {name for name, service in services().items() if service.get("profiles")}
    assert optional == {"prometheus", "grafana"}
    assert {tuple(services()[name]["profiles"]) for name in optional} == {("monitoring",)}


def test_prometheus_finds_every_process_that_measures() -> None:
    configuration = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    looked_for = {
        (job["job_name"], tuple(found["names"]), found["port"])
        for job in configuration["scrape_configs"]
        for found in job["dns_sd_configs"]
    }
    measuring = {
        name: int(service["environment"]["ORDER_ENGINE_METRICS_PORT"])
        for name, service in engine_services().items()
        if "ORDER_ENGINE_METRICS_PORT" in service.get("environment", {})
    }
    assert set(measuring) == {"api", "worker", "localnet"}
    assert looked_for == {(name, (name,), port) for name, port in measuring.items()}
    # The port answers without a key.
    assert not {port for service in services().values() for _, _, port in published_ports(service)} & {
        *measuring.values()
    }


def test_grafana_is_given_the_dashboards_and_asks_prometheus() -> None:
    grafana = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((grafana / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == f"http://prometheus:{UPSTREAM_PORTS['prom/prometheus']}"
    (provider,) = yaml.safe_load((grafana / "dashboards" / "order-engine.yml").read_text())["providers"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in services()["grafana"]["volumes"]
