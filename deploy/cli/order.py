"""`order-engine order`: submit, read, watch, change and cancel orders over the API."""

import contextlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from deploy.cli.client import ApiUrl, AsJson, ask
from deploy.cli.failure import CommandError
from deploy.cli.order_view import event_line, explanation_lines, list_rows, order_rows, progress
from deploy.cli.output import print_table, terminal_width
from workflows.domain.lifecycle import Phase, Status
from workflows.domain.order import OrderType
from workflows.domain.time_in_force import TimeInForce

if TYPE_CHECKING:
    from pydantic import BaseModel

    from api.client import OrderClient

app = typer.Typer(help="Submit orders and see what becomes of them.", no_args_is_help=True)

OrderId = Annotated[str, typer.Argument(help="Order id.", metavar="ORDER_ID")]
Pair = Annotated[str | None, typer.Option(help="Two symbols or mints, sold either way: SOL/USDC")]
Wallet = Annotated[str | None, typer.Option(help="Name of the wallet that trades.")]
SlippageBps = Annotated[int | None, typer.Option(help="Worst price accepted, below the quote.")]
LimitPrice = Annotated[str | None, typer.Option(help="Least of the bought token for one sold.")]
StopPrice = Annotated[str | None, typer.Option(help="Price that triggers a stop or a take-profit.")]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("is no time such as 2030-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter("needs an offset from UTC, such as Z")
    return moment


Expiry = Annotated[
    datetime | None, typer.Option(parser=_moment, metavar="TIME", help="End of a gtd order: 2030-01-31T12:00:00Z")
]
Deadline = Annotated[
    datetime | None, typer.Option(parser=_moment, metavar="TIME", help="No attempt begins at this time or later.")
]
CreatedAfter = Annotated[
    datetime | None, typer.Option(parser=_moment, metavar="TIME", help="Created at this time or later.")
]
CreatedBefore = Annotated[datetime | None, typer.Option(parser=_moment, metavar="TIME", help="Created earlier.")]


@app.command("submit")
def submit(
    token_in: Annotated[str, typer.Argument(help="Token to sell: symbol or mint.")],
    token_out: Annotated[str, typer.Argument(help="Token to buy: symbol or mint.")],
    amount: Annotated[str | None, typer.Argument(help="Amount to sell, in whole tokens: 1.5")] = None,
    amount_out: Annotated[str | None, typer.Option(help="Buy exactly so much, instead of AMOUNT.")] = None,
    max_amount_in: Annotated[str | None, typer.Option(help="With --amount-out: the most to pay.")] = None,
    kind: Annotated[OrderType, typer.Option("--type", help="What it waits for.")] = OrderType.MARKET,
    limit_price: LimitPrice = None,
    stop_price: StopPrice = None,
    time_in_force: Annotated[TimeInForce | None, typer.Option(help="How long it may wait.")] = None,
    expire_at: Expiry = None,
    deadline: Deadline = None,
    slippage_bps: SlippageBps = None,
    max_attempts: Annotated[int | None, typer.Option(help="Swaps signed at most.")] = None,
    wallet: Wallet = None,
    client_order_id: Annotated[
        str | None, typer.Option(help="Your name of the order: the same command again is the same order.")
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Follow the order to its end.")] = False,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Post an order; with --watch fail unless it is confirmed."""
    from api.client import NewOrder

    if (amount is None) == (amount_out is None):
        raise typer.BadParameter("give either AMOUNT or --amount-out")
    order = NewOrder(
        token_in=token_in,
        token_out=token_out,
        amount=amount,
        amount_out=amount_out,
        max_amount_in=max_amount_in,
        type=kind,
        limit_price=limit_price,
        stop_price=stop_price,
        time_in_force=time_in_force,
        expire_at=expire_at,
        deadline=deadline,
        slippage_bps=slippage_bps,
        max_attempts=max_attempts,
        wallet=wallet,
        client_order_id=client_order_id or str(uuid4()),
    )
    placed = ask(api_url, lambda client: client.place(order))
    _print(placed, as_json, f"order {placed.order_id} {placed.status}")
    if follow:
        ask(api_url, lambda client: _follow(client, placed.order_id, as_json), follows=True)


@app.command("get")
def get(
    order_id: Annotated[
        str, typer.Argument(help="Order id, or with --client your own name of it.", metavar="ORDER_ID")
    ],
    by_client: Annotated[bool, typer.Option("--client", help="ORDER_ID is the client order id.")] = False,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one order."""
    order = ask(api_url, lambda client: client.find(order_id) if by_client else client.get(order_id))
    if as_json:
        print(_json(order, indent=2))
    else:
        print_table(order_rows(order))


@app.command("list")
def list_orders(
    status: Annotated[list[Status] | None, typer.Option(help="May be repeated.")] = None,
    phase: Annotated[Phase | None, typer.Option(help="All statuses of a phase.")] = None,
    kind: Annotated[list[OrderType] | None, typer.Option("--type", help="May be repeated.")] = None,
    pair: Pair = None,
    wallet: Wallet = None,
    venue: Annotated[str | None, typer.Option(help="raydium or meteora.")] = None,
    created_after: Annotated[
        datetime | None, typer.Option(parser=_moment, metavar="TIME", help="From then on.")
    ] = None,
    created_before: Annotated[datetime | None, typer.Option(parser=_moment, metavar="TIME", help="Until then.")] = None,
    parent: Annotated[str | None, typer.Option(help="Parts of this order.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the orders that fit every filter, newest first."""
    chosen = {
        "status": status or None,
        "phase": phase,
        "type": kind or None,
        "pair": pair,
        "wallet": wallet,
        "venue": venue,
        "created_after": created_after,
        "created_before": created_before,
        "parent_id": parent,
    }
    page = ask(api_url, lambda client: client.list(limit, cursor, **chosen))
    if as_json:
        print(_json(page, indent=2))
        return
    print_table(*list_rows(page.orders, terminal_width()))
    if page.next_cursor is not None:
        print(f"more with --cursor {page.next_cursor}")


@app.command("explain")
def explain(order_id: OrderId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Tell why an order came to what it came to."""
    explanation = ask(api_url, lambda client: client.explain(order_id))
    print(json.dumps(explanation, indent=2) if as_json else "\n".join(explanation_lines(explanation)))


@app.command("watch")
def watch(order_id: OrderId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Print each event of an order until it ends; fail unless it is confirmed."""
    ask(api_url, lambda client: _follow(client, order_id, as_json), follows=True)


@app.command("amend")
def amend(
    order_id: OrderId,
    version: Annotated[
        int | None, typer.Option(help="Only if the order is still at this version.", show_default="any")
    ] = None,
    limit_price: LimitPrice = None,
    stop_price: StopPrice = None,
    expire_at: Expiry = None,
    deadline: Deadline = None,
    slippage_bps: SlippageBps = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change an order that is pending or open; what is left out stays."""
    changes = {
        "limit_price": limit_price,
        "stop_price": stop_price,
        "expire_at": expire_at,
        "deadline": deadline,
        "slippage_bps": slippage_bps,
    }
    order = ask(api_url, lambda client: client.amend(order_id, "*" if version is None else version, **changes))
    _print(order, as_json, f"order {order.order_id} {order.status} at version {order.version}")


@app.command("cancel")
def cancel(order_id: OrderId, api_url: ApiUrl = None, as_json: AsJson = False) -> None:
    """Cancel an order; fail unless it is canceled, or will be."""
    answer = ask(api_url, lambda client: client.cancel(order_id))
    told = f"order {order_id} is {answer.status}"
    if as_json:
        print(_json(answer))
    elif answer.result == "canceled":
        print(told)
    elif answer.result == "pending":
        print(f"{told}; the cancellation is stored and honored as soon as a worker runs")
    if answer.result == "too_late":
        raise CommandError(f"too late: {told}, the swap {answer.signature} may land")
    if answer.result == "already_terminal":
        raise CommandError(f"too late: {told}")


@app.command("cancel-all")
def cancel_all(
    pair: Pair = None,
    kind: Annotated[OrderType | None, typer.Option("--type", help="Only orders of this type.")] = None,
    wallet: Wallet = None,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Cancel all orders that fit; fail if some could not be asked."""
    answer = ask(api_url, lambda client: client.cancel_all(pair=pair, type=kind, wallet=wallet))
    if as_json:
        print(_json(answer))
    elif answer.orders:
        print_table(
            [(each.order_id, each.result, each.status) for each in answer.orders], ("order", "answer", "status")
        )
    else:
        print("no order to cancel")
    if answer.failed:
        raise CommandError(f"not asked, try again: {', '.join(answer.failed)}")
    if answer.remaining:
        raise CommandError("more orders fit than are canceled at a time: run it again")


@app.command("cancel-all-after")
def cancel_all_after(
    seconds: Annotated[int, typer.Argument(min=0, max=86_400, help="Seconds from now; 0 switches it off.")],
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Cancel all orders of the account later, unless this is run again before: a dead man's switch."""
    answer = ask(api_url, lambda client: client.cancel_all_after(seconds))
    until = answer.trigger_time
    told = f"all orders are canceled at {until:%Y-%m-%d %H:%M:%SZ}" if until is not None else "the switch is off"
    _print(answer, as_json, told)


async def _follow(client: "OrderClient", order_id: str, as_json: bool) -> None:
    from rich.console import Console

    phase, ended = "", ""
    console = Console(highlight=False)
    shown = contextlib.nullcontext() if as_json or not console.is_terminal else console.status(f"order {order_id}")
    with shown as line:
        async with contextlib.aclosing(client.follow(order_id)) as messages:
            async for message in messages:
                if as_json:
                    print(_json(message), flush=True)
                if message.type == "event":
                    phase, ended = message.phase, f"{message.status} {message.reason or ''}".strip()
                    if not as_json:
                        # Not cut or folded: a signature has to be copied.
                        console.print(event_line(message), markup=False, soft_wrap=True)
                    if line is not None:
                        line.update(progress(message))
    if phase != Phase.COMPLETED:
        raise CommandError(f"order {order_id} ended {ended}")


def _print(answer: "BaseModel", as_json: bool, told: str) -> None:
    print(_json(answer) if as_json else told)


def _json(answer: "BaseModel", indent: int | None = None) -> str:
    return answer.model_dump_json(by_alias=True, indent=indent)
