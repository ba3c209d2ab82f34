"""The one table of errors: how each code is answered, what it means, what may be tried again, what the user can do."""

from dataclasses import dataclass
from enum import StrEnum

from workflows.domain.errors import ErrorCode


class Retry(StrEnum):
    """What the engine may do with an order after this error."""

    # Quote, route and sign again, within attempts and deadline.
    AGAIN = "again"
    # The order ends.
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Row:
    """How one code is answered: HTTP status, retry class, what it means, and what the user can do."""

    http_status: int
    retry: Retry
    meaning: str
    advice: str


TABLE: dict[ErrorCode, Row] = {
    ErrorCode.REQUEST_MALFORMED: Row(
        400, Retry.NEVER, "The body is not one JSON object in UTF-8.", "Send one JSON object."
    ),
    ErrorCode.REQUEST_INVALID: Row(
        422,
        Retry.NEVER,
        "A field or parameter is missing, unknown, or not acceptable.",
        "Correct the fields that `errors` names; see /docs.",
    ),
    ErrorCode.REQUEST_TOO_LARGE: Row(413, Retry.NEVER, "The body is too large.", "Send a body of at most 64 KiB."),
    ErrorCode.REQUEST_MEDIA_TYPE: Row(
        415, Retry.NEVER, "The body does not say that it is JSON.", "Send Content-Type: application/json."
    ),
    ErrorCode.METHOD_NOT_ALLOWED: Row(
        405, Retry.NEVER, "The path does not take this method.", "Use a method from the Allow header."
    ),
    ErrorCode.RESOURCE_NOT_FOUND: Row(
        404, Retry.NEVER, "There is nothing under this path.", "See /docs for the routes."
    ),
    ErrorCode.ORDER_NOT_FOUND: Row(404, Retry.NEVER, "The account has no such order.", "Check the order id."),
    ErrorCode.KEY_REQUIRED: Row(
        401,
        Retry.NEVER,
        "This API is used with a key, and the request has none.",
        "Send an API key: Authorization: Bearer oek_….",
    ),
    ErrorCode.KEY_INVALID: Row(
        401,
        Retry.NEVER,
        "The key is unknown, expired or revoked.",
        "Use another key; order-engine keys list shows which there are.",
    ),
    ErrorCode.SCOPE_MISSING: Row(403, Retry.NEVER, "The key may not do this.", "Use a key with the named scope."),
    ErrorCode.ORIGIN_REFUSED: Row(
        403,
        Retry.NEVER,
        "Pages of this origin may not call the API.",
        "Allow the page's origin with ORDER_ENGINE_API_ALLOWED_ORIGINS.",
    ),
    ErrorCode.HOST_REFUSED: Row(
        403,
        Retry.NEVER,
        "An API without keys is called by a loopback address only.",
        "Call the API by a loopback address, or run it with keys.",
    ),
    ErrorCode.RATE_LIMITED: Row(
        429, Retry.NEVER, "The key has called too often.", "Slow down; repeat after Retry-After seconds."
    ),
    ErrorCode.TOO_MANY_ORDERS: Row(
        429,
        Retry.NEVER,
        "The account has as many orders in progress as it may.",
        "Wait until some of the account's orders have ended.",
    ),
    ErrorCode.CURSOR_INVALID: Row(
        422,
        Retry.NEVER,
        "The cursor is not one of this list, or was given for other filters.",
        "Use nextCursor of the previous page unchanged and with the same filters, or none.",
    ),
    ErrorCode.TOKEN_UNKNOWN: Row(
        422, Retry.NEVER, "No known token has this symbol or mint.", "Use a symbol or mint that GET /api/tokens lists."
    ),
    ErrorCode.TOKENS_IDENTICAL: Row(
        422, Retry.NEVER, "The order sells and buys the same token.", "Choose two different tokens."
    ),
    ErrorCode.AMOUNT_INVALID: Row(
        422, Retry.NEVER, "The amount is no decimal number.", 'Send the amount as a decimal string, such as "1.5".'
    ),
    ErrorCode.AMOUNT_NOT_POSITIVE: Row(
        422, Retry.NEVER, "The amount is zero or less.", "Send an amount greater than zero."
    ),
    ErrorCode.AMOUNT_TOO_PRECISE: Row(
        422, Retry.NEVER, "The amount has more decimals than its token.", "Send no more decimals than the token has."
    ),
    ErrorCode.AMOUNT_TOO_LARGE: Row(
        422, Retry.NEVER, "The amount is more than its token can represent.", "Send a smaller amount."
    ),
    ErrorCode.PRICE_INVALID: Row(
        422,
        Retry.NEVER,
        "The price is no positive decimal number, or no amount could ever meet it.",
        'Send the price as a positive decimal string, such as "151.25".',
    ),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: Row(
        422,
        Retry.NEVER,
        "The name belongs to an order that was asked for otherwise.",
        "Use a new name for a new order; `orderId` is the order that has this one.",
    ),
    ErrorCode.VERSION_REQUIRED: Row(
        428,
        Retry.NEVER,
        "The request does not say which version of the order it changes.",
        "Send If-Match with the ETag of the order.",
    ),
    ErrorCode.VERSION_MISMATCH: Row(
        412, Retry.NEVER, "The order has moved on since it was read.", "Read the order again and decide anew."
    ),
    ErrorCode.ORDER_NOT_AMENDABLE: Row(
        409,
        Retry.NEVER,
        "The order is on its way and cannot be changed any more.",
        "Cancel it if it must not trade; only orders that are pending or open can be changed.",
    ),
    ErrorCode.ORDER_ENDED: Row(
        409, Retry.NEVER, "The order has ended; nothing was changed.", "Place a new order if one is still wanted."
    ),
    ErrorCode.AMENDMENT_UNKNOWN: Row(
        503,
        Retry.NEVER,
        "No worker answered in time, and the change may still be made.",
        "Read the order before you repeat the change.",
    ),
    ErrorCode.SWITCH_UNKNOWN: Row(
        503,
        Retry.NEVER,
        "Temporal did not answer in time: the dead man's switch may be as asked or as before.",
        "Ask for it again: to set it twice does no harm.",
    ),
    ErrorCode.WALLET_UNKNOWN: Row(
        422, Retry.NEVER, "The engine holds no key of this wallet.", "Name a wallet that the engine holds a key for."
    ),
    ErrorCode.ENGINE_UNAVAILABLE: Row(
        503,
        Retry.NEVER,
        "A server behind the API does not answer; nothing was created.",
        "Repeat after Retry-After seconds.",
    ),
    ErrorCode.ACCEPTANCE_UNKNOWN: Row(
        503,
        Retry.NEVER,
        "The connection to Temporal broke while the order was handed over: it may exist.",
        "Look it up by `orderId` before you send another; with a clientOrderId simply repeat the request.",
    ),
    ErrorCode.INTERNAL_ERROR: Row(
        500,
        Retry.NEVER,
        "Something that nobody foresaw; it is in the log of the API.",
        "Report the problem with its instance id.",
    ),
    ErrorCode.QUOTE_UNAVAILABLE: Row(
        503, Retry.AGAIN, "A venue could not be read, and no other one can fill the order.", "Try again in a moment."
    ),
    ErrorCode.QUOTE_TIMEOUT: Row(504, Retry.AGAIN, "A venue did not answer in time.", "Try again in a moment."),
    ErrorCode.PAIR_UNSUPPORTED: Row(
        422,
        Retry.NEVER,
        "No registered pool trades this pair.",
        "See GET /api/tokens and GET /api/pools, or add a pool: order-engine pools add.",
    ),
    ErrorCode.LIQUIDITY_INSUFFICIENT: Row(422, Retry.NEVER, "No pool can fill this amount.", "Try a smaller amount."),
    ErrorCode.SLIPPAGE_EXCEEDED: Row(
        409,
        Retry.AGAIN,
        "The price moved beyond slippageBps before the swap landed; nothing traded.",
        "Allow more slippage, or order again.",
    ),
    ErrorCode.LIMIT_NOT_REACHED: Row(
        409,
        Retry.NEVER,
        "The market does not pay limitPrice, or asks more than maxAmountIn.",
        "Let the order rest (timeInForce gtc, gtd or day), or move its limit.",
    ),
    ErrorCode.TIME_IN_FORCE_ENDED: Row(
        409, Retry.NEVER, "The order's time ended before it traded.", "Place a new one if it is still wanted."
    ),
    ErrorCode.DEADLINE_EXCEEDED: Row(
        409,
        Retry.NEVER,
        "The deadline passed before the order traded.",
        "Place a new order if it is still wanted, with more time.",
    ),
    ErrorCode.INSUFFICIENT_FUNDS: Row(
        409,
        Retry.NEVER,
        "The wallet does not hold what the order takes and what other orders are promised.",
        "Fund the wallet: the amount, fees and rent.",
    ),
    ErrorCode.ACCOUNT_FROZEN: Row(
        409,
        Retry.NEVER,
        "A token account of the wallet is frozen by its mint's authority.",
        "Ask the token's issuer, or trade another token.",
    ),
    # The state that quotes are made from shows it: the next choice leaves the pool out.
    ErrorCode.POOL_UNAVAILABLE: Row(
        409,
        Retry.AGAIN,
        "The pool closed or changed after it was chosen.",
        "Nothing: the engine tries another pool. Order again if its attempts are used up.",
    ),
    # The program says so of a pool that quotes as open: the next choice would fall on it again.
    ErrorCode.POOL_PAUSED: Row(
        409,
        Retry.NEVER,
        "The program says that the pool takes no swaps now.",
        "Order again later, or trade another pair.",
    ),
    ErrorCode.TOKEN_RESTRICTED: Row(
        409,
        Retry.NEVER,
        "The token, or the wallet's account of it, forbids the transfer.",
        "Trade another token, or have the restriction lifted.",
    ),
    ErrorCode.COMPUTE_EXCEEDED: Row(
        409,
        Retry.AGAIN,
        "The swap took more compute than its simulation.",
        "Nothing: the engine simulates anew. Raise ORDER_ENGINE_COMPUTE_UNIT_MARGIN_PERCENT if it stays.",
    ),
    ErrorCode.SWAP_REVERTED: Row(
        409,
        Retry.AGAIN,
        "The program refused the swap; nothing traded.",
        "Order again; the detail has the program's own error.",
    ),
    ErrorCode.BLOCKHASH_EXPIRED: Row(
        409,
        Retry.AGAIN,
        "The transaction did not land in time and never can; nothing traded.",
        "Order again; raise ORDER_ENGINE_PRIORITY_FEE_PERCENTILE if it stays.",
    ),
    ErrorCode.CHAIN_UNAVAILABLE: Row(
        503, Retry.AGAIN, "No RPC node answers.", "Try again; order-engine doctor says which node fails and why."
    ),
    ErrorCode.RPC_REFUSED: Row(
        502,
        Retry.NEVER,
        "The RPC node does not serve what the engine needs.",
        "Name another node: ORDER_ENGINE_SOLANA_RPC_URL.",
    ),
    ErrorCode.TRANSACTION_INVALID: Row(
        500, Retry.NEVER, "No cluster takes what the engine built.", "Report it with the order id."
    ),
    ErrorCode.TRANSACTION_DUPLICATE: Row(
        409, Retry.NEVER, "These very bytes were processed before.", "Look the signature up: the swap may have traded."
    ),
    ErrorCode.TRANSACTION_TOO_LARGE: Row(
        422,
        Retry.NEVER,
        "The route does not fit a transaction.",
        "Order less, so that one pool fills it, or give the pools lookup tables.",
    ),
    ErrorCode.SIGNING_FAILED: Row(
        503,
        Retry.AGAIN,
        "The signer of the wallet does not answer, or signed something else; nothing was sent.",
        "Try again; order-engine doctor looks at every signer.",
    ),
    ErrorCode.CLUSTER_MISMATCH: Row(
        503,
        Retry.AGAIN,
        "The RPC node is on another cluster than the engine; nothing is signed.",
        "Run order-engine doctor.",
    ),
    ErrorCode.TRADING_HALTED: Row(
        503, Retry.NEVER, "An operator has halted all trading.", "Send the order again once trading is resumed."
    ),
    ErrorCode.PAIR_NOT_ALLOWED: Row(
        403, Retry.NEVER, "The operator does not allow this pair.", "Trade an allowed pair, or have this one allowed."
    ),
    ErrorCode.VENUE_NOT_ALLOWED: Row(
        403, Retry.NEVER, "Only a venue that the operator does not allow can fill the order.", "Have the venue allowed."
    ),
    ErrorCode.ACCOUNT_NOT_ALLOWED: Row(
        403, Retry.NEVER, "The operator does not allow this account to trade.", "Have the account allowed."
    ),
    ErrorCode.NOTIONAL_UNKNOWN: Row(
        409,
        Retry.NEVER,
        "The order cannot be valued, and the operator limits the value of orders.",
        "Trade a token that the reference token has a pool with, or have the limit lifted.",
    ),
    ErrorCode.NOTIONAL_TOO_LARGE: Row(
        422,
        Retry.NEVER,
        "The order is worth more than one order may be.",
        "Sell less in one order, or have the limit raised.",
    ),
    ErrorCode.DAILY_NOTIONAL_EXCEEDED: Row(
        409,
        Retry.NEVER,
        "The account's orders of the day (UTC) would be worth more than they may.",
        "Wait for the next day (UTC), or have the limit raised.",
    ),
    ErrorCode.PRICE_IMPACT_EXCEEDED: Row(
        409, Retry.NEVER, "The order would move the price too far.", "Sell less at once, or have the limit raised."
    ),
    ErrorCode.PRICE_DEVIATION_EXCEEDED: Row(
        409,
        Retry.NEVER,
        "The venues disagree on the price by more than the operator allows.",
        "Look into it first: one of the prices is wrong, or old.",
    ),
}

# What an answer of such a status says passes by itself.
_PASSING = frozenset({429, 503, 504})

# What was asked for may have been done: asking again unseen could do it twice.
_UNKNOWN = frozenset({ErrorCode.ACCEPTANCE_UNKNOWN, ErrorCode.AMENDMENT_UNKNOWN})


def may_retry(code: ErrorCode) -> bool:
    """Whether an order may be tried again after this reason."""
    return TABLE[code].retry is Retry.AGAIN


def may_repeat(code: ErrorCode) -> bool:
    """Whether a client may send the refused request again as it is, after a while, and be answered otherwise."""
    return TABLE[code].http_status in _PASSING and code not in _UNKNOWN
