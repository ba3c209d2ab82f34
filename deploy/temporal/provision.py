"""What a Temporal server has to know before the engine's first workflow: namespace, search attributes, schedule."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from deploy.temporal.schedule import ensure_reconcile_schedule, ensure_refresh_schedule
from workflows.names import SEARCH_ATTRIBUTES

Answer = TypeVar("Answer")

# Closed workflows stay visible this long; the orders themselves stay in PostgreSQL.
_RETENTION = timedelta(days=7)
# A server's caches learn of a new namespace or attribute within a minute.
_PATIENCE = 90.0
_INTERVAL = 0.2


async def provision(refresh_pools_every: timedelta, reconcile_every: timedelta) -> None:
    """Create what is missing on the server that the TEMPORAL_* variables or profile name. Repeatable.

    Pools are searched for in the background, and everything is reconciled, at the given intervals, never when one is
    zero. It returns once the server
    answers queries by every attribute, so that the next workflow may carry them.
    Raises ProvisionError when the server refuses or does not answer.
    """
    config = ClientConfig.load_client_connect_config()
    namespace = config.get("namespace") or "default"
    try:
        client = await Client.connect(**config)
        await _ensure_namespace(client, namespace)
        await _ensure_search_attributes(client, namespace)
        await ensure_refresh_schedule(client, refresh_pools_every)
        await ensure_reconcile_schedule(client, reconcile_every)
    except (RPCError, RuntimeError, TimeoutError) as error:
        raise ProvisionError(f"Temporal namespace {namespace} cannot be set up: {error}") from error


class ProvisionError(Exception):
    """The Temporal server is not fit for the engine; the message says why."""


async def _ensure_namespace(client: Client, namespace: str) -> None:
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
        return
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    retention = Duration()
    retention.FromTimedelta(_RETENTION)
    request = RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
    await _unless_already(client.workflow_service.register_namespace(request))


async def _ensure_search_attributes(client: Client, namespace: str) -> None:
    wanted = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
    async with asyncio.timeout(_PATIENCE):
        known = await _eventually(lambda: _known_attributes(client, namespace))
        for name, kind in wanted.items():
            if known.get(name, kind) != kind:
                raise ProvisionError(
                    f"search attribute {name} has type {IndexedValueType.Name(known[name])} on the server, "
                    f"{IndexedValueType.Name(kind)} is needed"
                )
        missing = {name: kind for name, kind in wanted.items() if name not in known}
        if missing:
            request = AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
            await _unless_already(client.operator_service.add_search_attributes(request))
        await _eventually(lambda: _query_by(client, list(wanted)))


async def _known_attributes(client: Client, namespace: str) -> Mapping[str, "IndexedValueType.ValueType"]:
    answer = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    return answer.custom_attributes


async def _query_by(client: Client, names: Sequence[str]) -> None:
    await client.count_workflows(" AND ".join(f"{name} IS NULL" for name in names))


async def _unless_already(call: Awaitable[object]) -> None:
    """Another process may have been faster."""
    try:
        await call
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def _eventually(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Repeat what the server refuses for as long as its caches do not know of a change."""
    while True:
        try:
            return await call()
        except RPCError as error:
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise
        await asyncio.sleep(_INTERVAL)
