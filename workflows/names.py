"""Names and times that workflows, workers and the API must agree on. One table."""

from datetime import timedelta

from temporalio.common import SearchAttributeKey

TASK_QUEUE = "orders"

# The type of an order's workflow, for those who list and start it without its code.
ORDER_WORKFLOW = "OrderWorkflow"

# One Redis channel carries every order event; an API process subscribes once, whatever its number of clients.
EVENTS_CHANNEL = "order-engine:events"

# Typed search attributes: the filter columns of the Temporal Web UI.
ORDER_STATUS = SearchAttributeKey.for_keyword("OrderStatus")
ORDER_PAIR = SearchAttributeKey.for_keyword("OrderPair")
ORDER_TYPE = SearchAttributeKey.for_keyword("OrderType")
ORDER_ACCOUNT = SearchAttributeKey.for_keyword("OrderAccount")
ORDER_VENUE = SearchAttributeKey.for_keyword("OrderVenue")
ORDER_REASON = SearchAttributeKey.for_keyword("OrderReason")
SEARCH_ATTRIBUTES = (ORDER_STATUS, ORDER_PAIR, ORDER_TYPE, ORDER_ACCOUNT, ORDER_VENUE, ORDER_REASON)

# The OrderStatus of an order that neither rests nor has ended: each step on the way would cost an event and a write.
IN_PROGRESS = "in_progress"

# A venue that does not answer within this is left out of the round.
QUOTE_TIMEOUT = timedelta(seconds=2)

# One try of a keyed write; it is repeated for ever, so that an outage of PostgreSQL delays an order and loses nothing.
WRITE_TIMEOUT = timedelta(seconds=10)

# One try of checking the risk: a question to the node, at most twenty to pools, and a keyed write.
RISK_TIMEOUT = timedelta(seconds=20)

# One try of building, simulating and signing.
PREPARE_TIMEOUT = timedelta(seconds=10)

# A sender that has not reported for this long is taken for dead, and another goes on with the same bytes.
HEARTBEAT_TIMEOUT = timedelta(seconds=2)

# Longer than any blockhash can live (150 blocks), even on a slow cluster; a retry goes on with the same bytes.
SEND_TIMEOUT = timedelta(minutes=10)

# After a worker dies its workflows' next tasks wait this long before another worker may take them.
STICKY_TIMEOUT = timedelta(milliseconds=1_500)

# A killed worker's half-done workflow task is given to another worker after this.
WORKFLOW_TASK_TIMEOUT = timedelta(seconds=5)

# One run of a pair's watcher: any order that opens may come within it. It beats with each look at the pools.
WATCH_TIMEOUT = timedelta(days=1)
WATCH_HEARTBEAT_TIMEOUT = timedelta(seconds=5)

# How a watcher is started and told of an open order, and how it tells an order that its price is there.
WATCH_WORKFLOW = "WatchWorkflow"
ORDER_OPENED = "order_opened"
PRICE_REACHED = "price_reached"

# The updates of an order.
CANCEL = "cancel"
AMEND = "amend"

# The schedule that keeps the registry of pools in step with the chain; its id in Temporal and that of its workflows.
REFRESH_POOLS_ID = "refresh-pools"

# One look at every pool of every pair: hundreds of searches and thousands of accounts on a slow node.
REFRESH_TIMEOUT = timedelta(minutes=4)

# The schedule that compares database, Temporal and chain; its id in Temporal and that of its workflows.
RECONCILE_ID = "reconcile"

# The whole history of a busy installation, an amount at a time; a part that stops showing progress is tried again.
RECONCILE_TIMEOUT = timedelta(hours=2)
RECONCILE_HEARTBEAT_TIMEOUT = timedelta(seconds=60)

# Where each worker tells, in Redis, how its nodes and watchers are: a sorted set of the workers' names by time, and the
# report of each under its own key. Only a view: nothing depends on it, and it ends by itself.
WORKERS_KEY = "order-engine:workers"
WORKER_REPORT_EVERY = timedelta(seconds=2)
WORKER_REPORT_KEPT = timedelta(minutes=2)


def report_key(worker: str) -> str:
    """The Redis key of a worker's report."""
    return f"{WORKERS_KEY}:{worker}"
