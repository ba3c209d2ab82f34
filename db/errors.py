"""What the database refuses. An outage is a ConnectionError, not one of these."""


class OrderUnknown(LookupError):
    """A write for an order that was never stored."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"order {order_id} is not stored")
        self.order_id = order_id


class SwapConflict(Exception):
    """A signed swap that must not be sent: another signature of its order may still land, has landed, or is recorded
    under the same attempt."""

    def __init__(self, order_id: str, attempt: int, signature: str) -> None:
        super().__init__(f"order {order_id}, attempt {attempt}: another signature stands in the way of {signature}")
        self.order_id = order_id
        self.attempt = attempt
        self.signature = signature


class SwapUnknown(LookupError):
    """A signature that was never recorded."""

    def __init__(self, order_id: str, signature: str) -> None:
        super().__init__(f"order {order_id}: signature {signature} is not recorded")
        self.order_id = order_id
        self.signature = signature


class MigrationFailed(Exception):
    """The schema cannot be brought to this version of the engine."""
