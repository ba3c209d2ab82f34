"""What is counted from PostgreSQL at each scrape: exact, whatever crashed, and the same from every API process."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from db.database import Database
from db.settings import DatabaseSettings
from db.vitals import Vitals, VitalsReader


class VitalsSource:
    """Reads the vitals on a connection of its own, so that busy requests do not keep monitoring waiting."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._database = Database(settings.model_copy(update={"database_pool_size": 1}))
        self._reader = VitalsReader(self._database)

    async def sample(self) -> Iterable[Metric]:
        """The vitals as metrics; only that they are missing while PostgreSQL does not answer."""
        try:
            vitals = await self._reader.read()
        except ConnectionError:
            return (vitals_up(0),)
        return (vitals_up(1), *vitals_metrics(vitals))

    async def close(self) -> None:
        """Close the connection."""
        await self._database.close()


def vitals_up(value: int) -> Metric:
    """Whether the vitals could be read."""
    return GaugeMetricFamily(
        "order_engine_vitals_up", "1 while PostgreSQL says how the orders stand; the others are missing at 0.", value
    )


def vitals_metrics(vitals: Vitals) -> Iterable[Metric]:
    """Each of the vitals as a metric."""
    orders = GaugeMetricFamily("order_engine_orders_in_flight", "Orders that have not ended.", labels=("status",))
    quiet = GaugeMetricFamily(
        "order_engine_orders_quiet_seconds",
        "Time since the quietest order of a status last moved; 0 without one.",
        labels=("status",),
    )
    for each in vitals.in_flight:
        orders.add_metric((each.status,), each.orders)
        quiet.add_metric((each.status,), each.quiet_seconds)
    yield orders
    yield quiet
    yield GaugeMetricFamily(
        "order_engine_unknown_outcomes", "Signed swaps whose outcome is not proven yet.", vitals.unknown_outcomes
    )
    yield GaugeMetricFamily(
        "order_engine_unknown_outcome_oldest_seconds",
        "Age of the oldest swap whose outcome is not proven yet; 0 without one.",
        vitals.oldest_unknown_seconds,
    )
    findings = GaugeMetricFamily(
        "order_engine_reconciliation_open_findings",
        "What the last reconciliations found and could not repair.",
        labels=("kind",),
    )
    for kind, found in vitals.findings.items():
        findings.add_metric((kind,), found)
    yield findings
    if vitals.reconciled_seconds is not None:
        yield GaugeMetricFamily(
            "order_engine_reconciliation_age_seconds", "Time since the last one ended.", vitals.reconciled_seconds
        )
    yield GaugeMetricFamily(
        "order_engine_trading_halted", "1 while the kill switch stops all trading.", int(vitals.halted)
    )
