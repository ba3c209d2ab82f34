"""The steps that workflows call and the activities that a worker registers are the same, by name and by type."""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
from temporalio import activity

from activities.settings import WorkerSettings
from activities.worker import order_activities
from workflows import steps

STEPS = {
    name: step for name, step in inspect.getmembers(steps, inspect.isfunction) if step.__module__ == steps.__name__
}


@pytest.fixture
async def registered() -> dict[str, Callable[..., Any]]:
    """The worker's activities by name; their clients connect when first used, so no server is needed."""
    settings = WorkerSettings(
        database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", redis_url="redis://127.0.0.1:1/0"
    )
    async with order_activities(settings) as activities:
        definitions = {activity._Definition.must_from_callable(step).name: step for step in activities}
    return {str(name): step for name, step in definitions.items()}


def signature(step: Callable[..., Any]) -> dict[str, Any]:
    """Types by parameter, `return` among them, without self."""
    function = getattr(step, "__func__", step)
    return get_type_hints(function)


def test_there_are_steps() -> None:
    assert {"persist_order", "choose_route", "prepare_swap", "execute_swap", "publish_status"} <= set(STEPS)


def test_every_step_is_registered_and_nothing_is_registered_twice(registered: dict[str, Callable[..., Any]]) -> None:
    assert set(STEPS) <= set(registered)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_step_and_its_activity_take_and_give_the_same_types(
    name: str, registered: dict[str, Callable[..., Any]]
) -> None:
    assert signature(registered[name]) == signature(STEPS[name])
    assert inspect.iscoroutinefunction(registered[name])


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_a_step_itself_does_no_work(step: Callable[..., Any]) -> None:
    arguments = [None for _ in inspect.signature(step).parameters]
    with pytest.raises(NotImplementedError):
        await step(*arguments)
