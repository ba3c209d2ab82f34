"""What passes between the API, an account's dead man's switch and its activity. Changes are additive only."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

_Frozen = ConfigDict(frozen=True)


class DeadMansSwitch(BaseModel):
    """The switch of an account as one run of its workflow hands it to the next.

    It fires at `until`, None while it is off. Orders that were accepted by `fired_at` are still to be canceled.
    """

    model_config = _Frozen

    account: str
    until: datetime | None = None
    fired_at: datetime | None = None


class RenewSwitch(BaseModel):
    """The account's client was there `at` this time: fire at `until` unless told otherwise before, None for never."""

    model_config = _Frozen

    at: datetime
    until: datetime | None = None


class CancelOrders(BaseModel):
    """Ask every order of the account that was accepted by then, and has not ended, to be canceled."""

    model_config = _Frozen

    account: str
    accepted_by: datetime


class OrdersAsked(BaseModel):
    """What one pass came to: how many orders were asked, and how many may still trade without having been canceled."""

    model_config = _Frozen

    asked: int
    left: int
