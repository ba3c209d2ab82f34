"""Messages are compiled once in a process, however many converters the SDK makes."""

from temporalio.converter import WorkflowSerializationContext

from tests.samples import order_terms
from workflows.domain.order import OrderTerms
from workflows.payloads import data_converter


def test_every_converter_shares_what_was_compiled() -> None:
    first, second = (data_converter.payload_converter_class() for _ in range(2))
    assert list(first.converters.values()) == list(second.converters.values())


def test_the_converter_of_a_workflow_is_the_one_of_all() -> None:
    context = WorkflowSerializationContext(namespace="default", workflow_id="order-1")
    assert data_converter.with_context(context) is data_converter


async def test_terms_come_back_as_they_went() -> None:
    terms = order_terms()
    assert await data_converter.decode(await data_converter.encode([terms]), [OrderTerms]) == [terms]
