"""Every error the engine reports: one code, one row of `error_table`.

Codes have the form `category_condition` and never change their meaning; messages may change.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable codes: the `code` of a problem document, the `reason` of an order, the Temporal error type."""

    REQUEST_MALFORMED = "request_malformed"
    REQUEST_INVALID = "request_invalid"
    REQUEST_TOO_LARGE = "request_too_large"
    REQUEST_MEDIA_TYPE = "request_media_type"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    RESOURCE_NOT_FOUND = "resource_not_found"
    ORDER_NOT_FOUND = "order_not_found"
    KEY_REQUIRED = "key_required"
    KEY_INVALID = "key_invalid"
    SCOPE_MISSING = "scope_missing"
    ORIGIN_REFUSED = "origin_refused"
    HOST_REFUSED = "host_refused"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_ORDERS = "too_many_orders"
    CURSOR_INVALID = "cursor_invalid"
    TOKEN_UNKNOWN = "token_unknown"
    TOKENS_IDENTICAL = "tokens_identical"
    AMOUNT_INVALID = "amount_invalid"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    AMOUNT_TOO_PRECISE = "amount_too_precise"
    AMOUNT_TOO_LARGE = "amount_too_large"
    PRICE_INVALID = "price_invalid"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    VERSION_REQUIRED = "version_required"
    VERSION_MISMATCH = "version_mismatch"
    ORDER_NOT_AMENDABLE = "order_not_amendable"
    ORDER_ENDED = "order_ended"
    AMENDMENT_UNKNOWN = "amendment_unknown"
    SWITCH_UNKNOWN = "switch_unknown"
    WALLET_UNKNOWN = "wallet_unknown"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    ACCEPTANCE_UNKNOWN = "acceptance_unknown"
    INTERNAL_ERROR = "internal_error"
    QUOTE_UNAVAILABLE = "quote_unavailable"
    QUOTE_TIMEOUT = "quote_timeout"
    PAIR_UNSUPPORTED = "pair_unsupported"
    LIQUIDITY_INSUFFICIENT = "liquidity_insufficient"
    SLIPPAGE_EXCEEDED = "slippage_exceeded"
    LIMIT_NOT_REACHED = "limit_not_reached"
    TIME_IN_FORCE_ENDED = "time_in_force_ended"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    ACCOUNT_FROZEN = "account_frozen"
    POOL_UNAVAILABLE = "pool_unavailable"
    POOL_PAUSED = "pool_paused"
    TOKEN_RESTRICTED = "token_restricted"
    COMPUTE_EXCEEDED = "compute_exceeded"
    SWAP_REVERTED = "swap_reverted"
    BLOCKHASH_EXPIRED = "blockhash_expired"
    CHAIN_UNAVAILABLE = "chain_unavailable"
    RPC_REFUSED = "rpc_refused"
    TRANSACTION_INVALID = "transaction_invalid"
    TRANSACTION_DUPLICATE = "transaction_duplicate"
    TRANSACTION_TOO_LARGE = "transaction_too_large"
    SIGNING_FAILED = "signing_failed"
    CLUSTER_MISMATCH = "cluster_mismatch"
    TRADING_HALTED = "trading_halted"
    PAIR_NOT_ALLOWED = "pair_not_allowed"
    VENUE_NOT_ALLOWED = "venue_not_allowed"
    ACCOUNT_NOT_ALLOWED = "account_not_allowed"
    NOTIONAL_UNKNOWN = "notional_unknown"
    NOTIONAL_TOO_LARGE = "notional_too_large"
    DAILY_NOTIONAL_EXCEEDED = "daily_notional_exceeded"
    PRICE_IMPACT_EXCEEDED = "price_impact_exceeded"
    PRICE_DEVIATION_EXCEEDED = "price_deviation_exceeded"


class EngineError(Exception):
    """An error with a code of the table; `detail` says what happened in this case."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def error_code(text: str | None) -> ErrorCode | None:
    """The code of this text, or None when the table has no such code."""
    try:
        return ErrorCode(text) if text is not None else None
    except ValueError:
        return None
