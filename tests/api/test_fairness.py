"""One account with many orders does not hold up another with few."""

from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.publish import RedisRelay
from api.engine import Engine
from db.database import Database
from db.orders import OrderRepository
from tests.api.running import StoringActivities
from tests.samples import order_terms
from tests.workflows.scripted import Script
from workflows.domain.ids import workflow_id
from workflows.order import OrderWorkflow

MANY, FEW = 60, 3


async def test_accounts_take_turns_in_a_backlog(
    temporal_server: WorkflowEnvironment, task_queue: str, database: Database, relay: RedisRelay
):
    client = temporal_server.client
    engine = Engine(client)
    orders = [order_terms().model_copy(update={"account": "greedy"}) for _ in range(MANY)]
    orders += [order_terms().model_copy(update={"account": "modest"}) for _ in range(FEW)]
    for terms in orders:
        await engine.start(terms)
    worker = Worker(
        client,
        task_queue=task_queue,
        workflows=[OrderWorkflow],
        activities=StoringActivities(Script(), OrderRepository(database), relay).all(),
        # As far behind as a worker can be: it takes up one order after the other.
        max_concurrent_workflow_tasks=1,
        max_cached_workflows=0,
    )
    async with worker:
        for terms in orders[MANY:]:
            await client.get_workflow_handle(workflow_id(terms.order_id)).result()
        ended = 0
        for terms in orders[:MANY]:
            described = await client.get_workflow_handle(workflow_id(terms.order_id)).describe()
            ended += described.close_time is not None
    # Their turns came in between, not at the end; what was handed out before is through.
    assert ended < MANY // 2
