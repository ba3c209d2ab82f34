"""Whether a server answers as it should. Each check returns when it does and raises an ordinary exception when not.

The client libraries are imported inside: their import then runs while the servers are still starting.
"""

import functools
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    from temporalio.client import Client


async def postgres(url: str) -> None:
    """Log in and run a query. `url` as SQLAlchemy or libpq writes it."""
    import psycopg

    from deploy.local.postgres import libpq_url

    async with await psycopg.AsyncConnection.connect(libpq_url(url), connect_timeout=5) as connection:
        await connection.execute("SELECT 1")


async def redis(url: str) -> None:
    """Return when the server answers a ping; raises what its client raises."""
    from redis.asyncio import Redis

    client = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
    try:
        await client.ping()
    finally:
        await client.aclose()


async def temporal(address: str) -> None:
    """The frontend serves."""
    await temporal_client(address, "default")


async def temporal_namespace(address: str, namespace: str) -> None:
    """The frontend serves and knows the namespace."""
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    client = await temporal_client(address, namespace)
    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))


async def worker(address: str, namespace: str, pid: int) -> None:
    """The worker process `pid` of this machine polls the engine's task queue, for workflows and for activities."""
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

    from workflows.names import TASK_QUEUE

    # The SDK names a worker so unless told otherwise.
    identity = f"{pid}@{socket.gethostname()}"
    client = await temporal_client(address, namespace)
    for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(namespace=namespace, task_queue=TaskQueue(name=TASK_QUEUE), task_queue_type=kind)
        )
        if all(poller.identity != identity for poller in answer.pollers):
            raise ConnectionError(f"process {pid} does not poll task queue {TASK_QUEUE} yet")


async def solana_rpc(url: str) -> None:
    """The node calls itself healthy (JSON-RPC getHealth)."""
    async with _http_client() as client:
        response = await client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "getHealth"})
    response.raise_for_status()
    result = response.json().get("result")
    if result != "ok":
        raise ConnectionError(f"getHealth answered {result!r}")


async def http(url: str) -> None:
    """Return when the address answers with success; raises httpx.HTTPError."""
    async with _http_client() as client:
        (await client.get(url)).raise_for_status()


def _http_client() -> "httpx.AsyncClient":
    import httpx

    return httpx.AsyncClient(timeout=5, verify=_certificates())


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Read once: a starting server is asked twenty times a second, and reading them takes longer than asking."""
    import httpx

    return httpx.create_ssl_context()


async def temporal_client(address: str, namespace: str) -> "Client":
    """Credentials and TLS of an external server come from the standard TEMPORAL_* variables or profile."""
    from temporalio.client import Client
    from temporalio.envconfig import ClientConfig

    config = ClientConfig.load_client_connect_config()
    return await Client.connect(**config | {"target_host": address, "namespace": namespace})
