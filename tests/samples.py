"""Orders, events and swaps to test with."""

import os
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from workflows.domain.attempt import OutcomeKind, SwapAttempt, SwapOutcome
from workflows.domain.ids import new_order_id
from workflows.domain.lifecycle import Status
from workflows.domain.money import Token
from workflows.domain.order import Fill, OrderEvent, OrderTerms, OrderType
from workflows.domain.time_in_force import TimeInForce

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
SOL = Token(mint="So11111111111111111111111111111111111111112", symbol="SOL", decimals=9, program=TOKEN_PROGRAM)
USDC = Token(mint="EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", symbol="USDC", decimals=6, program=TOKEN_PROGRAM)
BEGINNING = datetime(2026, 3, 4, 5, 6, 7, 890_123, tzinfo=UTC)


def order_terms(**changes: Any) -> OrderTerms:
    """A new order to sell 1.5 SOL for USDC."""
    facts: dict[str, Any] = {
        "order_id": new_order_id(time.time_ns() // 1_000_000, os.urandom(10)),
        "token_in": SOL,
        "token_out": USDC,
        "amount_in": 1_500_000_000,
        "slippage_bps": 50,
        "created_at": BEGINNING,
    }
    return OrderTerms(**facts | changes)


def limit_order(**changes: Any) -> OrderTerms:
    """A new order that rests until a SOL brings 200 USDC: 300 of them for its 1.5 SOL."""
    facts = {"type": OrderType.LIMIT, "limit_price": Decimal(200), "time_in_force": TimeInForce.GTC}
    return order_terms(**facts | changes)


def order_event(seq: int, status: Status, **changes: Any) -> OrderEvent:
    """An event `seq` seconds after the beginning."""
    facts: dict[str, Any] = {"seq": seq, "status": status, "at": BEGINNING + timedelta(seconds=seq), "attempt": 1}
    return OrderEvent(**facts | changes)


def first_events() -> tuple[OrderEvent, OrderEvent]:
    """What an order is stored with."""
    return order_event(1, Status.PENDING), order_event(2, Status.ROUTING)


def swap_attempt(order_id: str, attempt: int = 1, **changes: Any) -> SwapAttempt:
    """A signed swap with a signature of its own."""
    facts: dict[str, Any] = {
        "order_id": order_id,
        "attempt": attempt,
        "venue": "raydium",
        "kind": "cpmm",
        "pool": "pool",
        "wallet_address": "wallet",
        "signature": f"signature of {order_id} {attempt}",
        "transaction": "AQID",
        "blockhash": "blockhash",
        "last_valid_block_height": 2**40,
        "amount_in": 1_500_000_000,
        "quoted_out": 2**64 - 1,
        "least_out": 1,
    }
    return SwapAttempt(**facts | changes)


FILL = Fill(amount_in=1_500_000_000, amount_out=2**64 - 1, fee_lamports=5_000, slot=2**40)
LANDED = SwapOutcome(kind=OutcomeKind.LANDED, slot=FILL.slot, fill=FILL)
EXPIRED = SwapOutcome(kind=OutcomeKind.EXPIRED, reason="blockhash_expired", detail="height 10 is past 5")
