"""A real Prometheus looks at a running stack: every process, every panel of the dashboards, every label."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from temporalio.client import Client

from deploy.local.metrics import TARGETS_FILE
from tests.e2e.stack import COMMAND, Stack, follow
from tests.telemetry.panels import panels
from tests.telemetry.prometheus import Prometheus, needs_prometheus, running_prometheus
from workflows.names import RECONCILE_ID

ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.25", "slippageBps": 100}

# What is empty while all is well, and what no order of this test does.
EMPTY_WITHOUT_A_REASON = {
    "Refused quotes",
    "Venues without an answer",
}

_ADDRESS = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,}")
_ORDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, watched_stack: Stack) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), watched_stack.data_dir / TARGETS_FILE) as server:
        yield server


async def trade(stack: Stack) -> None:
    """Orders of every fate: confirmed, confirmed after a revert, refused, waiting; and a request that meets a fault."""
    async with stack.client() as client:
        await stack.ask_chain("localnet_setFaults", [{"kind": "revert", "times": 1, "custom_error": 30}])
        ids = [(await client.post("/api/orders", json=ORDER)).json()["orderId"] for _ in range(3)]
        ids.append((await client.post("/api/orders", json=ORDER | {"wallet": "poor"})).json()["orderId"])
        await asyncio.gather(*(follow(stack.api, order_id) for order_id in ids))
        waiting = ORDER | {"type": "limit", "limitPrice": "100000"}
        assert (await client.post("/api/orders", json=waiting)).status_code == 202
        # Whoever asks next is told to come back; several, so that those who ask for the order are among them.
        limit = {"kind": "rate_limit", "times": 3, "retry_after": 0}
        await stack.ask_chain("localnet_setFaults", [limit])
        order_id = (await client.post("/api/orders", json=ORDER)).json()["orderId"]
        await follow(stack.api, order_id)
        await stack.ask_chain("localnet_setFaults", [])


async def reconcile(stack: Stack) -> None:
    """Let the schedule run now instead of within a minute."""
    environment = json.loads((stack.data_dir / "state.json").read_text())["environment"]
    client = await Client.connect(environment["TEMPORAL_ADDRESS"], namespace=environment["TEMPORAL_NAMESPACE"])
    await client.get_schedule_handle(RECONCILE_ID).trigger()


def metrics_addresses(stack: Stack) -> dict[str, str]:
    """Where `order-engine status` says that each process serves its metrics."""
    command = [*COMMAND, "status", "--json", "--data-dir", str(stack.data_dir)]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return {entry["name"]: entry["metrics"] for entry in listed if entry["metrics"]}


@needs_prometheus
@pytest.mark.timeout(180)
async def test_every_panel_has_data_after_some_orders(watched_stack: Stack, prometheus: Prometheus) -> None:
    assert prometheus.wait_for([f'up{{job="{job}"}} == 1' for job in ("api", "worker", "localnet")], 30) == []
    await trade(watched_stack)
    await reconcile(watched_stack)
    # A rate needs a series at two moments; what the first orders made grows with the next ones.
    seen = ["order_engine_orders_ended_total", "order_engine_stream_lag_seconds_count", "order_engine_localnet_slot"]
    assert prometheus.wait_for([f"count_over_time({each}[1m]) > 1" for each in seen], 30) == []
    await trade(watched_stack)
    shown = {
        expression.replace("$__rate_interval", "1m").replace("$__range", "1h"): panel.title
        for panel in panels()
        for expression in panel.expressions
        if panel.title not in EMPTY_WITHOUT_A_REASON
    }
    missing = prometheus.wait_for(list(shown), 60)
    assert sorted({shown[each] for each in missing}) == []


@needs_prometheus
def test_no_alert_of_the_promise_is_raised_while_all_is_well(prometheus: Prometheus) -> None:
    assert prometheus.wait_for(["order_engine_vitals_up == 1"], 30) == []
    rules = httpx.get(f"{prometheus.url}/api/v1/rules").json()["data"]["groups"]
    (promise,) = [group for group in rules if group["name"] == "promise"]
    assert {rule["name"]: rule["state"] for rule in promise["rules"] if rule["state"] == "firing"} == {}


async def test_no_label_is_unbounded(watched_stack: Stack) -> None:
    await trade(watched_stack)
    async with httpx.AsyncClient() as client:
        texts = {name: (await client.get(url)).text for name, url in metrics_addresses(watched_stack).items()}
    assert set(texts) == {"api", "worker", "localnet"}
    for name, text in texts.items():
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert any(each.startswith("temporal_") for each in families) == (name != "localnet")
        for family in families.values():
            for sample in family.samples:
                values = " ".join(value for label, value in sample.labels.items() if label != "le")
                assert not _ORDER_ID.search(values), sample
                # A pair is two mints, and there are as many as the registry has.
                assert "pair" in sample.labels or not _ADDRESS.search(values), sample


def test_the_file_for_prometheus_names_every_process(watched_stack: Stack, tmp_path: Path) -> None:
    told = json.loads((watched_stack.data_dir / TARGETS_FILE).read_text())
    addresses = {each["labels"]["job"]: f"http://{each['targets'][0]}/metrics" for each in told}
    assert addresses == metrics_addresses(watched_stack)
