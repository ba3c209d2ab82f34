"""Workflows that differ from the engine's in one step each; a replay must notice."""

import asyncio
from datetime import timedelta

from temporalio import workflow

from workflows import names, steps
from workflows.domain.attempt import SwapOutcome
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent, OrderTerms
from workflows.domain.retry import Failure
from workflows.domain.routing import Decision, VenueQuotes
from workflows.messages import OrderResult, PersistOrder, PreparedSwap
from workflows.order import OrderWorkflow


@workflow.defn(name="OrderWorkflow")
class PublishesTwice(OrderWorkflow):
    """Records a further event at the end."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        result = await super().run(terms)
        await workflow.execute_local_activity(
            steps.persist_order, PersistOrder(terms=terms, events=()), start_to_close_timeout=names.WRITE_TIMEOUT
        )
        return result


@workflow.defn(name="OrderWorkflow")
class AsksOneVenue(OrderWorkflow):
    """Leaves Meteora out."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        return await super().run(terms)

    async def _quote(self) -> tuple[VenueQuotes, ...]:
        return (await self._quote_venue("raydium", steps.fetch_raydium_quote),)


@workflow.defn(name="OrderWorkflow")
class AsksMeteoraFirst(OrderWorkflow):
    """Asks the venues in another order."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        return await super().run(terms)

    async def _quote(self) -> tuple[VenueQuotes, ...]:
        meteora, raydium = await asyncio.gather(
            self._quote_venue("meteora", steps.fetch_meteora_quote),
            self._quote_venue("raydium", steps.fetch_raydium_quote),
        )
        return raydium, meteora


@workflow.defn(name="OrderWorkflow")
class SendsNothing(OrderWorkflow):
    """Prepares and does not execute."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        return await super().run(terms)

    async def _execute(self, prepared: PreparedSwap) -> SwapOutcome | None:
        await self._publish(Status.FAILED)
        return None


@workflow.defn(name="OrderWorkflow")
class NeverWaits(OrderWorkflow):
    """Tries again at once."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        return await super().run(terms)

    async def _wait(self, pause: timedelta, failure: Failure) -> None:
        return


@workflow.defn(name="OrderWorkflow")
class DeafToCancellation(OrderWorkflow):
    """Goes on whatever the trader wishes."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        return await super().run(terms)

    def _honor_cancel(self) -> None:
        return


@workflow.defn(name="OrderWorkflow")
class ChecksNoRisk(OrderWorkflow):
    """Passes every order."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        return await super().run(terms)

    async def _check(self, decision: Decision) -> Failure | None:
        return None


@workflow.defn(name="OrderWorkflow")
class SkipsTheWatcher(OrderWorkflow):
    """Rests without anybody who looks at the price."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        return await super().run(terms)

    async def _ensure_watched(self) -> None:
        return


@workflow.defn(name="OrderWorkflow")
class KeepsALateCancelToItself(OrderWorkflow):
    """Records no cancellation that came too late."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        super().__init__(terms)

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order."""
        return await super().run(terms)

    async def _publish_too_late(self, submitted: OrderEvent) -> None:
        return
