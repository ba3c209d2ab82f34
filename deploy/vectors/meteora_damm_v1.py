"""The vector files of Meteora DAMM v1."""

from collections.abc import Iterator
from typing import ClassVar

from activities.venues.meteora.damm_v1 import KIND, flow_of
from activities.venues.pool import Pool, PoolKind, Quote
from deploy.vectors.adapter import Adapter, Figure
from deploy.vectors.files import Json


class MeteoraDammV1(Adapter):
    """The records hold the protocol fee by balance, and the split of the fee where the event was logged."""

    set_name: ClassVar[str] = "meteora_damm_v1"
    kind: ClassVar[PoolKind] = KIND
    pool_role: ClassVar[str] = "pool"
    user_roles: ClassVar[tuple[str, str]] = ("user_token_a", "user_token_b")
    sides: ClassVar[tuple[str, str]] = ("a2b", "b2a")

    def fees(self, quote: Quote, pool: Pool, outcome: Json) -> Iterator[Figure]:
        """The protocol fee, and from the event the split of the fee and the fall of the reserve."""
        flow = flow_of(quote)
        if "protocol_fee_received" in outcome:
            yield "protocol fee", flow.protocol_fee, outcome["protocol_fee_received"]
        event = outcome.get("event")
        if event is not None:
            yield "trade fee", quote.fee - flow.protocol_fee, event["trade_fee"]
            yield "protocol fee (event)", flow.protocol_fee, event["protocol_fee"]
            yield "out (event)", flow.released, event["out_amount"]
