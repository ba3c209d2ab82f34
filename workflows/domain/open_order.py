"""An open order as the watcher of its pair knows it."""

from dataclasses import dataclass

from workflows.domain.trigger import Conditions


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An open order: `amount_in` in base units of the mint `token_in`, or exact out `amount_out`; what it waits for.

    `version` rises with each change of the order.
    """

    order_id: str
    version: int
    token_in: str
    amount_in: int
    amount_out: int | None
    decimals_in: int
    decimals_out: int
    conditions: Conditions
