"""How an order's workflow is started, by the API and by whoever starts a lost one again."""

from typing import Any

from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes

from workflows.domain.ids import workflow_id
from workflows.domain.order import OrderTerms
from workflows.names import (
    IN_PROGRESS,
    ORDER_ACCOUNT,
    ORDER_PAIR,
    ORDER_STATUS,
    ORDER_TYPE,
    WORKFLOW_TASK_TIMEOUT,
)


def start_options(terms: OrderTerms) -> dict[str, Any]:
    """What every start of the order has in common: id, timeout, and what the Web UI shows and filters by."""
    return {
        "id": workflow_id(terms.order_id),
        "task_timeout": WORKFLOW_TASK_TIMEOUT,
        "static_summary": terms.title,
        # In a backlog the accounts take turns.
        "priority": Priority(fairness_key=terms.account),
        "search_attributes": TypedSearchAttributes(
            [
                SearchAttributePair(ORDER_PAIR, f"{terms.token_in.symbol}/{terms.token_out.symbol}"),
                SearchAttributePair(ORDER_TYPE, terms.type),
                SearchAttributePair(ORDER_ACCOUNT, terms.account),
                SearchAttributePair(ORDER_STATUS, IN_PROGRESS),
            ]
        ),
    }
