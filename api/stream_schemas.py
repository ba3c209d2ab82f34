"""What travels on `/api/stream`: the client's requests, and the answers to them."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, TypeAdapter

from api.requests import Incoming, QuoteRequestBody
from api.schemas import Wire

RequestId = Annotated[str, Field(min_length=1, max_length=64, description="Chosen by the client; answers repeat it.")]


class SubscribeOrder(Incoming):
    """Follow one order: its snapshot, then its events with `seq` beyond `after`."""

    op: Literal["subscribe"]
    channel: Literal["order"]
    id: RequestId
    order_id: str = Field(max_length=64)
    after: int = Field(default=0, ge=0, le=2**31 - 1)


class SubscribeOrders(Incoming):
    """Follow all orders of the account: every event with `accountSeq` beyond `after`, by default from now on."""

    op: Literal["subscribe"]
    channel: Literal["orders"]
    id: RequestId
    after: int | None = Field(default=None, ge=0, le=2**63 - 1)


class SubscribeQuotes(Incoming):
    """Follow both venues' quotes for a swap: whenever they have changed, at most once a second."""

    op: Literal["subscribe"]
    channel: Literal["quotes"]
    id: RequestId
    quote: QuoteRequestBody


class Unsubscribe(Incoming):
    """End a subscription by its id."""

    op: Literal["unsubscribe"]
    id: RequestId


class Place(Incoming):
    """Place an order; `order` is the body of `POST /api/orders`."""

    op: Literal["place"]
    id: RequestId
    order: dict[str, Any]


class Cancel(Incoming):
    """Cancel an order; repeated under its `idempotencyKey` it is answered as the first time."""

    op: Literal["cancel"]
    id: RequestId
    order_id: str = Field(max_length=64)
    idempotency_key: str | None = Field(default=None, max_length=128)


class Amend(Incoming):
    """Change an order; `changes` is the body of `PATCH /api/orders/{id}`, `version` what the order must be at, or "*".

    Repeated under its `idempotencyKey` the change is made once.
    """

    op: Literal["amend"]
    id: RequestId
    order_id: str = Field(max_length=64)
    version: Annotated[int, Field(ge=0, le=2**31 - 1)] | Literal["*"] | None = None
    changes: dict[str, Any]
    idempotency_key: str | None = Field(default=None, max_length=128)


class CancelAll(Incoming):
    """Cancel all orders that fit; `filter` is the body of `POST /api/orders/cancel-all`, by default everything."""

    op: Literal["cancelAll"]
    id: RequestId
    filter: dict[str, Any] = Field(default_factory=dict)


class CancelAllAfter(Incoming):
    """The account's dead man's switch: cancel everything in so many seconds unless asked again; 0 switches it off."""

    op: Literal["cancelAllAfter"]
    id: RequestId
    seconds: int


class Ping(Incoming):
    """Ask for a sign of life."""

    op: Literal["ping"]
    id: RequestId


Subscribe = Annotated[SubscribeOrder | SubscribeOrders | SubscribeQuotes, Field(discriminator="channel")]
Command = Place | Cancel | Amend | CancelAll | CancelAllAfter
StreamRequest = Annotated[Subscribe | Unsubscribe | Command | Ping, Field(discriminator="op")]

stream_request: TypeAdapter[StreamRequest] = TypeAdapter(StreamRequest)


class Welcome(Wire):
    """The first message. Silence longer than `heartbeatSeconds` means that the connection is lost."""

    type: Literal["welcome"] = "welcome"
    account: str
    account_seq: int
    heartbeat_seconds: int


class Subscribed(Wire):
    """The subscription `id` is in force; `after` is where it begins."""

    type: Literal["subscribed"] = "subscribed"
    id: str
    after: int | None = None


class Unsubscribed(Wire):
    """The subscription `id` has ended: as asked, or because its order has (`ended`)."""

    type: Literal["unsubscribed"] = "unsubscribed"
    id: str
    ended: bool = False


class Heartbeat(Wire):
    """The server lives; `id` where it was asked for."""

    type: Literal["heartbeat"] = "heartbeat"
    id: str | None = None


class CommandResult(Wire):
    """The command `id` was carried out; `result` is what its HTTP route answers.

    `replayed` says of a placed order that the same request was taken before.
    """

    type: Literal["result"] = "result"
    id: str
    op: str
    replayed: bool = False
    result: SerializeAsAny[Wire]


class RequestProblem(Wire):
    """A request was refused; `id` is that of the request where it could be read. The stream goes on."""

    type: Literal["problem"] = "problem"
    id: str | None = None
    problem: dict[str, Any]
