"""The vector files of Raydium CPMM."""

from collections.abc import Iterator
from typing import ClassVar

from activities.venues.pool import Pool, PoolKind, Quote
from activities.venues.raydium.cpmm import KIND
from activities.venues.raydium.cpmm_curve import CurveSwap
from deploy.vectors.adapter import Adapter, Figure
from deploy.vectors.files import Json


class RaydiumCpmm(Adapter):
    """The event states every fee."""

    set_name: ClassVar[str] = "raydium_cpmm"
    kind: ClassVar[PoolKind] = KIND
    pool_role: ClassVar[str] = "pool_state"
    user_roles: ClassVar[tuple[str, str]] = ("user_token_0", "user_token_1")
    sides: ClassVar[tuple[str, str]] = ("0to1", "1to0")

    def fees(self, quote: Quote, pool: Pool, outcome: Json) -> Iterator[Figure]:
        """Trade, creator and transfer fees of the swap event."""
        event = outcome.get("event")
        if event is None:
            return
        curve = quote.path
        assert isinstance(curve, CurveSwap)
        yield "trade fee", curve.trade_fee, event["trade_fee"]
        yield "creator fee", curve.creator_fee, event["creator_fee"]
        yield "input transfer fee", quote.transfer_fee_in, event["input_transfer_fee"]
        yield "output transfer fee", quote.transfer_fee_out, event["output_transfer_fee"]
