"""`order-engine order`: submit, get, list, watch and cancel orders over the API."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from deploy.cli.client import ApiClient, ApiUrl, AsJson
from deploy.cli.failure import CommandError
from deploy.cli.output import print_table

app = typer.Typer(help="Submit orders and see what becomes of them.", no_args_is_help=True)

OrderId = Annotated[str, typer.Argument(help="Order id.", metavar="ORDER_ID")]

# The rows of `order get` that an order may be without.
_DETAILS = {
    "limitPrice": "limit price",
    "stopPrice": "stop price",
    "expireAt": "expires",
    "deadline": "deadline",
    "venue": "venue",
    "signature": "signature",
    "averagePrice": "average price",
    "feeLamports": "network fee (lamports)",
    "slot": "slot",
    "reason": "reason",
}


@app.command("submit")
def submit(
    token_in: Annotated[str, typer.Argument(help="Token to sell: symbol or mint.")],
    token_out: Annotated[str, typer.Argument(help="Token to buy: symbol or mint.")],
    amount: Annotated[str, typer.Argument(help="Amount to sell, in whole tokens: 1.5")],
    slippage_bps: Annotated[int | None, typer.Option(help="Worst price accepted, below the quote.")] = None,
    wallet: Annotated[str | None, typer.Option(help="Name of the wallet that trades.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="market, limit, stop, stop_limit or take_profit; market by default.")
    ] = None,
    limit_price: Annotated[str | None, typer.Option(help="Least of the bought token for one sold.")] = None,
    stop_price: Annotated[str | None, typer.Option(help="Price that triggers a stop or a take-profit.")] = None,
    time_in_force: Annotated[str | None, typer.Option(help="ioc, fok, gtc, gtd or day.")] = None,
    expire_at: Annotated[str | None, typer.Option(help="End of a gtd order: 2030-01-31T12:00:00Z")] = None,
    deadline: Annotated[str | None, typer.Option(help="No attempt begins at this time or later.")] = None,
    client_order_id: Annotated[
        str | None, typer.Option(help="Your name of the order: the same command again is the same order.")
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Follow the order to its end.")] = False,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Post an order; with --watch fail unless it is confirmed."""
    api = ApiClient(api_url)
    request = {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": amount,
        "slippageBps": slippage_bps,
        "wallet": wallet,
        "type": kind,
        "limitPrice": limit_price,
        "stopPrice": stop_price,
        "timeInForce": time_in_force,
        "expireAt": expire_at,
        "deadline": deadline,
        "clientOrderId": client_order_id,
    }
    order = api.post("/api/orders", {name: value for name, value in request.items() if value is not None})
    if as_json:
        print(json.dumps(order))
    else:
        print(f"order {order['orderId']} {order['status']}")
    if follow:
        _follow(api, order["orderId"], as_json)


@app.command("cancel")
def cancel(order_id: OrderId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Cancel an order; fail unless it is canceled, or will be."""
    answer = ApiClient(api_url).post(f"/api/orders/{order_id}/cancel")
    told = f"order {order_id} is {answer['status']}"
    if as_json:
        print(json.dumps(answer))
    elif answer["result"] == "canceled":
        print(told)
    elif answer["result"] == "pending":
        print(f"{told}; the cancellation is stored and honored as soon as a worker runs")
    if answer["result"] == "too_late":
        raise CommandError(f"too late: {told}, the swap {answer['signature']} may land")
    if answer["result"] == "already_terminal":
        raise CommandError(f"too late: {told}")


@app.command("get")
def get(order_id: OrderId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Show one order."""
    order = ApiClient(api_url).get(f"/api/orders/{order_id}")
    if as_json:
        print(json.dumps(order, indent=2))
        return
    rows = [
        ("order", order["orderId"]),
        ("status", f"{order['status']} ({order['phase']}), attempt {order['attempt']} of {order['maxAttempts']}"),
        ("type", f"{order['type']}, {order['timeInForce']}"),
        ("sell", f"{_selling(order)}, at most {order['slippageBps']} bps worse than quoted"),
    ]
    if order["filledOut"] is not None:
        rows.append(("filled", _filled(order)))
    rows += [(label, str(order[name])) for name, label in _DETAILS.items() if order[name] is not None]
    rows += [("created", order["createdAt"]), ("updated", order["updatedAt"]), ("trace", order["links"]["temporalUi"])]
    print_table(rows)


@app.command("list")
def list_orders(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """List orders, newest first."""
    page = ApiClient(api_url).get("/api/orders", limit=limit, cursor=cursor)
    if as_json:
        print(json.dumps(page, indent=2))
        return
    rows = [
        (
            order["orderId"],
            order["status"],
            _selling(order),
            _filled(order) if order["filledOut"] is not None else order["reason"] or "",
            order["venue"] or "",
            order["createdAt"],
        )
        for order in page["orders"]
    ]
    print_table(rows, ("order", "status", "sell", "filled", "venue", "created"))
    if page["nextCursor"] is not None:
        print(f"more with --cursor {page['nextCursor']}")


@app.command("watch")
def watch(order_id: OrderId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Print each event of an order until it ends; fail unless it is confirmed."""
    _follow(ApiClient(api_url), order_id, as_json)


def _follow(api: ApiClient, order_id: str, as_json: bool) -> None:
    phase, ended = "", ""
    for message in api.events(order_id):
        if as_json:
            print(json.dumps(message), flush=True)
        if message["type"] == "event":
            phase, ended = message["phase"], f"{message['status']} {message['reason'] or ''}".strip()
            if not as_json:
                print(_line(message), flush=True)
    if phase != "COMPLETED":
        raise CommandError(f"order {order_id} ended {ended}")


def _line(event: Mapping[str, Any]) -> str:
    parts = [f"{event['seq']:>3}  {event['at']}  {event['status']:<16}"]
    parts += [str(event[name]) for name in ("venue", "reason", "signature") if event[name] is not None]
    if event["filledOut"] is not None:
        parts.append(f"{event['filledIn']} in, {event['filledOut']} out")
    return "  ".join(parts).rstrip()


def _selling(order: Mapping[str, Any]) -> str:
    if order["amountOut"] is not None:
        return f"at most {order['amount']} {order['tokenIn']} for {order['amountOut']} {order['tokenOut']}"
    return f"{order['amount']} {order['tokenIn']} for {order['tokenOut']}"


def _filled(order: Mapping[str, Any]) -> str:
    return f"{order['filledIn']} {order['tokenIn']} for {order['filledOut']} {order['tokenOut']}"
