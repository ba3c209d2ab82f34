"""Every error the engine reports: one code, one row.

The row says which HTTP status answers it, whether the engine may try the order again, and what the user
can do. Codes have the form `category_condition` and never change their meaning; messages may change.
"""

from dataclasses import dataclass
from enum import StrEnum


class Retry(StrEnum):
    """What the engine may do with an order after this error."""

    # Quote, route and sign again, within attempts and deadline.
    AGAIN = "again"
    # The order ends.
    NEVER = "never"


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


@dataclass(frozen=True, slots=True)
class Row:
    """How one code is answered: HTTP status, retry class, and what the user can do."""

    http_status: int
    retry: Retry
    advice: str


TABLE: dict[ErrorCode, Row] = {
    ErrorCode.REQUEST_MALFORMED: Row(400, Retry.NEVER, "Send one JSON object."),
    ErrorCode.REQUEST_INVALID: Row(422, Retry.NEVER, "Correct the named fields; see /docs."),
    ErrorCode.REQUEST_TOO_LARGE: Row(413, Retry.NEVER, "Send a body of at most 64 KiB."),
    ErrorCode.REQUEST_MEDIA_TYPE: Row(415, Retry.NEVER, "Send Content-Type: application/json."),
    ErrorCode.METHOD_NOT_ALLOWED: Row(405, Retry.NEVER, "Use a method from the Allow header."),
    ErrorCode.RESOURCE_NOT_FOUND: Row(404, Retry.NEVER, "See /docs for the routes."),
    ErrorCode.ORDER_NOT_FOUND: Row(404, Retry.NEVER, "Check the order id."),
    ErrorCode.KEY_REQUIRED: Row(401, Retry.NEVER, "Send an API key: Authorization: Bearer oek_…."),
    ErrorCode.KEY_INVALID: Row(401, Retry.NEVER, "Use a key that is neither unknown, expired nor revoked."),
    ErrorCode.SCOPE_MISSING: Row(403, Retry.NEVER, "Use a key with the named scope."),
    ErrorCode.ORIGIN_REFUSED: Row(403, Retry.NEVER, "Allow the page's origin with ORDER_ENGINE_API_ALLOWED_ORIGINS."),
    ErrorCode.HOST_REFUSED: Row(403, Retry.NEVER, "Call the API by a loopback address, or run it with keys."),
    ErrorCode.RATE_LIMITED: Row(429, Retry.NEVER, "Slow down; repeat after Retry-After seconds."),
    ErrorCode.TOO_MANY_ORDERS: Row(429, Retry.NEVER, "Wait until some of the account's orders have ended."),
    ErrorCode.CURSOR_INVALID: Row(422, Retry.NEVER, "Use nextCursor of the previous page unchanged, or none."),
    ErrorCode.TOKEN_UNKNOWN: Row(422, Retry.NEVER, "Use a symbol or mint that GET /api/tokens lists."),
    ErrorCode.TOKENS_IDENTICAL: Row(422, Retry.NEVER, "Choose two different tokens."),
    ErrorCode.AMOUNT_INVALID: Row(422, Retry.NEVER, 'Send the amount as a decimal string, such as "1.5".'),
    ErrorCode.AMOUNT_NOT_POSITIVE: Row(422, Retry.NEVER, "Send an amount greater than zero."),
    ErrorCode.AMOUNT_TOO_PRECISE: Row(422, Retry.NEVER, "Send no more decimals than the token has."),
    ErrorCode.AMOUNT_TOO_LARGE: Row(422, Retry.NEVER, "Send a smaller amount."),
    ErrorCode.PRICE_INVALID: Row(422, Retry.NEVER, 'Send the price as a positive decimal string, such as "151.25".'),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: Row(
        422, Retry.NEVER, "Send a new key with a new order; the named order has this one."
    ),
    ErrorCode.VERSION_REQUIRED: Row(428, Retry.NEVER, "Send If-Match with the ETag of the order."),
    ErrorCode.VERSION_MISMATCH: Row(412, Retry.NEVER, "Read the order again and decide anew."),
    ErrorCode.ORDER_NOT_AMENDABLE: Row(409, Retry.NEVER, "Only orders that are pending or open can be changed."),
    ErrorCode.ORDER_ENDED: Row(409, Retry.NEVER, "The order has ended; nothing was changed."),
    ErrorCode.AMENDMENT_UNKNOWN: Row(
        503, Retry.NEVER, "The change may still be made: read the order before you repeat it."
    ),
    ErrorCode.SWITCH_UNKNOWN: Row(503, Retry.NEVER, "The switch may be as asked or as before: ask again."),
    ErrorCode.WALLET_UNKNOWN: Row(422, Retry.NEVER, "Name a wallet that the engine holds a key for."),
    ErrorCode.ENGINE_UNAVAILABLE: Row(503, Retry.NEVER, "Nothing was created; repeat after Retry-After seconds."),
    ErrorCode.ACCEPTANCE_UNKNOWN: Row(
        503, Retry.NEVER, "The order may exist: look it up by its orderId before you send another."
    ),
    ErrorCode.INTERNAL_ERROR: Row(500, Retry.NEVER, "Report the problem with its instance id."),
    ErrorCode.QUOTE_UNAVAILABLE: Row(503, Retry.AGAIN, "No venue could be read; try again."),
    ErrorCode.QUOTE_TIMEOUT: Row(504, Retry.AGAIN, "The venue did not answer in time; try again."),
    ErrorCode.PAIR_UNSUPPORTED: Row(422, Retry.NEVER, "No registered pool trades this pair; see GET /api/tokens."),
    ErrorCode.LIQUIDITY_INSUFFICIENT: Row(422, Retry.NEVER, "No pool can fill this amount; try a smaller one."),
    ErrorCode.SLIPPAGE_EXCEEDED: Row(409, Retry.AGAIN, "The price moved beyond slippageBps; allow more or retry."),
    ErrorCode.LIMIT_NOT_REACHED: Row(
        409, Retry.NEVER, "The market does not pay limitPrice, or asks more than maxAmountIn; let the order rest."
    ),
    ErrorCode.TIME_IN_FORCE_ENDED: Row(409, Retry.NEVER, "The order's time ended; place a new one if still wanted."),
    ErrorCode.DEADLINE_EXCEEDED: Row(409, Retry.NEVER, "The deadline passed before the order traded."),
    ErrorCode.INSUFFICIENT_FUNDS: Row(409, Retry.NEVER, "Fund the wallet: the amount, fees and rent."),
    ErrorCode.ACCOUNT_FROZEN: Row(409, Retry.NEVER, "A token account is frozen by its mint's authority."),
    # The state that quotes are made from shows it: the next choice leaves the pool out.
    ErrorCode.POOL_UNAVAILABLE: Row(409, Retry.AGAIN, "The pool closed or changed since the choice; another is tried."),
    # The program says so of a pool that quotes as open: the next choice would fall on it again.
    ErrorCode.POOL_PAUSED: Row(409, Retry.NEVER, "The pool takes no swaps now; order again later, or another pair."),
    ErrorCode.TOKEN_RESTRICTED: Row(409, Retry.NEVER, "The token, or your account of it, forbids the transfer."),
    ErrorCode.COMPUTE_EXCEEDED: Row(
        409, Retry.AGAIN, "The swap took more compute than simulated; it is simulated anew."
    ),
    ErrorCode.SWAP_REVERTED: Row(409, Retry.AGAIN, "The program refused the swap; nothing traded."),
    ErrorCode.BLOCKHASH_EXPIRED: Row(409, Retry.AGAIN, "The transaction did not land in time; nothing traded."),
    ErrorCode.CHAIN_UNAVAILABLE: Row(503, Retry.AGAIN, "The RPC node does not answer; try again."),
    ErrorCode.RPC_REFUSED: Row(
        502, Retry.NEVER, "The RPC node does not serve what the engine needs; name another one."
    ),
    ErrorCode.TRANSACTION_INVALID: Row(500, Retry.NEVER, "Report it: no cluster takes what the engine built."),
    ErrorCode.TRANSACTION_DUPLICATE: Row(409, Retry.NEVER, "These very bytes were processed; look the signature up."),
    ErrorCode.TRANSACTION_TOO_LARGE: Row(422, Retry.NEVER, "The route does not fit a transaction."),
    ErrorCode.SIGNING_FAILED: Row(503, Retry.AGAIN, "The signer of the wallet does not answer; try again."),
    ErrorCode.CLUSTER_MISMATCH: Row(503, Retry.AGAIN, "The RPC node is on another cluster; run order-engine doctor."),
    ErrorCode.TRADING_HALTED: Row(503, Retry.NEVER, "Send the order again once trading is resumed."),
    ErrorCode.PAIR_NOT_ALLOWED: Row(403, Retry.NEVER, "Trade an allowed pair, or have this one allowed."),
    ErrorCode.VENUE_NOT_ALLOWED: Row(403, Retry.NEVER, "Only another venue can fill it; have it allowed."),
    ErrorCode.ACCOUNT_NOT_ALLOWED: Row(403, Retry.NEVER, "Have the account allowed."),
    ErrorCode.NOTIONAL_UNKNOWN: Row(409, Retry.NEVER, "The order cannot be valued, and a limit on its value is set."),
    ErrorCode.NOTIONAL_TOO_LARGE: Row(422, Retry.NEVER, "Sell less in one order, or have the limit raised."),
    ErrorCode.DAILY_NOTIONAL_EXCEEDED: Row(409, Retry.NEVER, "Wait for the next day (UTC), or have the limit raised."),
    ErrorCode.PRICE_IMPACT_EXCEEDED: Row(409, Retry.NEVER, "Sell less at once; it would move the price too far."),
    ErrorCode.PRICE_DEVIATION_EXCEEDED: Row(409, Retry.NEVER, "The venues disagree on the price; look into it first."),
}


class EngineError(Exception):
    """An error with a code of the table; `detail` says what happened in this case."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail

    @property
    def row(self) -> Row:
        """The code's row in the table."""
        return TABLE[self.code]


def error_code(text: str | None) -> ErrorCode | None:
    """The code of this text, or None when the table has no such code."""
    try:
        return ErrorCode(text) if text is not None else None
    except ValueError:
        return None


def may_retry(code: ErrorCode) -> bool:
    """Whether an order may be tried again after this reason."""
    return TABLE[code].retry is Retry.AGAIN
