"""What travels on `/api/stream`: the client's requests, and the answers to them."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

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


class Ping(Incoming):
    """Ask for a sign of life."""

    op: Literal["ping"]
    id: RequestId


Subscribe = Annotated[SubscribeOrder | SubscribeOrders | SubscribeQuotes, Field(discriminator="channel")]
StreamRequest = Annotated[Subscribe | Unsubscribe | Ping, Field(discriminator="op")]

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


class RequestProblem(Wire):
    """A request was refused; `id` is that of the request where it could be read. The stream goes on."""

    type: Literal["problem"] = "problem"
    id: str | None = None
    problem: dict[str, Any]
