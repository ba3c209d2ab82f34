"""The tables.

Addresses and signatures are base58 text; amounts are base units in NUMERIC(20, 0), which holds any u64.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Connection,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    desc,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from workflows.domain.attempt import OutcomeKind
from workflows.domain.lifecycle import TERMINAL, Status
from workflows.domain.order import OrderType
from workflows.domain.time_in_force import TimeInForce

_Units = Numeric(20, 0)


def values(members: type[StrEnum] | frozenset[StrEnum]) -> str:
    """The members as an SQL list: 'a', 'b'."""
    return ", ".join(f"'{member}'" for member in sorted(members))


class Base(DeclarativeBase):
    """What all tables share: constraint names that migrations can refer to."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: Text,
        datetime: DateTime(timezone=True),
        Decimal: _Units,
        dict[str, Any]: JSONB(none_as_null=True),
    }


class TokenRow(Base):
    """A token that orders may name, by mint or by symbol (in any case)."""

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint("decimals BETWEEN 0 AND 255", name="decimals"),
        Index("tokens_symbol_key", text("upper(symbol)"), unique=True),
    )

    mint: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    decimals: Mapped[int] = mapped_column(SmallInteger)
    program: Mapped[str]


class PoolRow(Base):
    """A pool of the registry; `mint_a` < `mint_b` in byte order. An excluded pool is known and never quoted.

    A pool that was removed by hand stays as an excluded one, so that no search for pools brings it back.
    """

    __tablename__ = "pools"
    __table_args__ = (
        CheckConstraint('mint_a < mint_b COLLATE "C"', name="pair_order"),
        CheckConstraint("excluded_reason IS NOT NULL OR excluded_detail IS NULL", name="exclusion"),
        Index(None, "mint_a", "mint_b"),
    )

    address: Mapped[str] = mapped_column(primary_key=True)
    venue: Mapped[str]
    kind: Mapped[str]
    mint_a: Mapped[str]
    mint_b: Mapped[str]
    excluded_reason: Mapped[str | None]
    excluded_detail: Mapped[str | None]
    lookup_table: Mapped[str | None]
    first_seen: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OrderRow(Base):
    """An order as its last event left it; `venue` and `signature` are those of `attempt`.

    Of an exact-out order `amount_out` is what it buys and `amount_in` the most it pays. Prices are units of the output
    token per unit of the input token. `triggered` says that a stop has been: the order waits for its limit at most.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(f"type IN ({values(OrderType)})", name="type"),
        CheckConstraint(f"status IN ({values(Status)})", name="status"),
        CheckConstraint("amount_in BETWEEN 1 AND 18446744073709551615", name="amount_in"),
        CheckConstraint("slippage_bps BETWEEN 0 AND 10000", name="slippage_bps"),
        CheckConstraint("last_seq >= 1", name="last_seq"),
        CheckConstraint("token_in <> token_out", name="tokens"),
        CheckConstraint("amount_out BETWEEN 1 AND 18446744073709551615", name="amount_out"),
        CheckConstraint(f"time_in_force IN ({values(TimeInForce)})", name="time_in_force"),
        Index("orders_newest_idx", "account", desc("created_at"), desc("id")),
        Index("orders_newest_by_status_idx", "account", "status", desc("created_at"), desc("id")),
        Index("orders_unfinished_idx", "id", postgresql_where=text(f"status NOT IN ({values(TERMINAL)})")),
        # What the derived order id promises while Temporal remembers, this holds for ever.
        Index(
            "orders_client_order_id_key",
            "account",
            "client_order_id",
            unique=True,
            postgresql_where=text("client_order_id IS NOT NULL"),
        ),
        Index("orders_open_idx", "token_in", "token_out", postgresql_where=text(f"status = '{Status.OPEN}'")),
        # Lists, each filter in the order in which it is shown. A pair is listed whichever of the two is sold.
        Index(
            "orders_newest_by_pair_idx",
            "account",
            text('least(token_in COLLATE "C", token_out)'),
            text('greatest(token_in COLLATE "C", token_out)'),
            desc("created_at"),
            desc("id"),
        ),
        Index("orders_newest_by_type_idx", "account", "type", desc("created_at"), desc("id")),
        Index("orders_newest_by_venue_idx", "account", "venue", desc("created_at"), desc("id")),
        Index("orders_newest_by_wallet_idx", "account", "wallet", desc("created_at"), desc("id")),
        Index(
            "orders_newest_by_parent_idx",
            "account",
            "parent_id",
            desc("created_at"),
            desc("id"),
            postgresql_where=text("parent_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str]
    wallet: Mapped[str]
    type: Mapped[str]
    token_in: Mapped[str]
    token_out: Mapped[str]
    amount_in: Mapped[Decimal]
    slippage_bps: Mapped[int] = mapped_column(SmallInteger)
    max_attempts: Mapped[int] = mapped_column(SmallInteger)
    client_order_id: Mapped[str | None]
    parent_id: Mapped[UUID | None]
    amount_out: Mapped[Decimal | None]
    limit_price: Mapped[Decimal | None] = mapped_column(Numeric)
    stop_price: Mapped[Decimal | None] = mapped_column(Numeric)
    time_in_force: Mapped[str] = mapped_column(server_default=text(f"'{TimeInForce.IOC}'"))
    expire_at: Mapped[datetime | None]
    deadline: Mapped[datetime | None]
    triggered: Mapped[bool] = mapped_column(server_default=text("false"))
    terms: Mapped[dict[str, Any]]
    status: Mapped[str]
    last_seq: Mapped[int] = mapped_column(Integer)
    attempt: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str | None]
    venue: Mapped[str | None]
    signature: Mapped[str | None]
    filled_in: Mapped[Decimal | None]
    filled_out: Mapped[Decimal | None]
    fee_lamports: Mapped[Decimal | None]
    slot: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OrderEventRow(Base):
    """One step of an order's life. Written once; the log that streams and audits read."""

    __tablename__ = "order_events"
    __table_args__ = (
        CheckConstraint("seq >= 1", name="seq"),
        CheckConstraint(f"status IN ({values(Status)})", name="status"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    status: Mapped[str]
    at: Mapped[datetime]
    attempt: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str | None]
    venue: Mapped[str | None]
    signature: Mapped[str | None]
    fill: Mapped[dict[str, Any] | None]
    data: Mapped[dict[str, Any]]


class SwapAttemptRow(Base):
    """A signed swap, stored before its first broadcast, and what became of it.

    The partial index is the database's share in trading at most once: while one signature of an order is unsettled,
    or once one has landed, no other can be recorded, and what is not recorded is not sent.
    """

    __tablename__ = "swap_attempts"
    __table_args__ = (
        CheckConstraint("attempt >= 1", name="attempt"),
        CheckConstraint(f"outcome IN ({values(OutcomeKind)})", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (settled_at IS NULL)", name="settled"),
        Index(
            "swap_attempts_one_live_key",
            "order_id",
            unique=True,
            postgresql_where=text(f"outcome IS NULL OR outcome = '{OutcomeKind.LANDED}'"),
        ),
        Index("swap_attempts_settled_at_idx", "settled_at"),
        Index("swap_attempts_unsettled_idx", "order_id", postgresql_where=text("outcome IS NULL")),
        Index("swap_attempts_wallet_address_idx", "wallet_address"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    venue: Mapped[str]
    kind: Mapped[str]
    pool: Mapped[str]
    wallet_address: Mapped[str]
    signature: Mapped[str] = mapped_column(unique=True)
    transaction: Mapped[str]
    blockhash: Mapped[str]
    last_valid_block_height: Mapped[int] = mapped_column(BigInteger)
    amount_in: Mapped[Decimal]
    quoted_out: Mapped[Decimal]
    least_out: Mapped[Decimal]
    signing_slot: Mapped[int | None] = mapped_column(BigInteger)
    most_in: Mapped[Decimal | None]
    outcome: Mapped[str | None]
    outcome_slot: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    fill: Mapped[dict[str, Any] | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


class AccountPositionRow(Base):
    """The last number in the log of an account."""

    __tablename__ = "account_positions"
    __table_args__ = (CheckConstraint("last_seq >= 1", name="last_seq"),)

    account: Mapped[str] = mapped_column(primary_key=True)
    last_seq: Mapped[int] = mapped_column(BigInteger)


class AccountLogRow(Base):
    """An event of one of an account's orders, under the number that it has in the log of the account.

    Numbers start at 1 and rise by 1, in the order in which the events were committed: whoever has read up to a number
    never finds one below it later.
    """

    __tablename__ = "account_log"
    __table_args__ = (CheckConstraint("seq >= 1", name="seq"),)

    account: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    order_id: Mapped[UUID]
    order_seq: Mapped[int] = mapped_column(Integer)


class ApiKeyRow(Base):
    """An API key without its secret: `fingerprint` is the SHA-256 of the key's whole text."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "account"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    account: Mapped[str]
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ReconciliationRow(Base):
    """One comparison of database, Temporal and chain that is done, with its figures; `whole` ones leave nothing out."""

    __tablename__ = "reconciliations"

    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    finished_at: Mapped[datetime]
    whole: Mapped[bool]
    orders: Mapped[int]
    swaps: Mapped[int]
    workflows: Mapped[int]
    raised: Mapped[int]
    repaired: Mapped[int]


class ReconciliationFindingRow(Base):
    """What a reconciliation found, while it is so and afterwards (`over_at`). No order need exist for it."""

    __tablename__ = "reconciliation_findings"
    __table_args__ = (
        Index("reconciliation_findings_open_idx", "first_seen", postgresql_where=text("over_at IS NULL")),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    signature: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str]
    repaired: Mapped[bool]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    over_at: Mapped[datetime | None]


class WalletCursorRow(Base):
    """The newest final signature of a wallet that reconciliation has looked at."""

    __tablename__ = "wallet_cursors"

    wallet_address: Mapped[str] = mapped_column(primary_key=True)
    signature: Mapped[str]


# Whatever code runs, an order that has ended stays as it ended, and its sequence never goes back.
_ABSORB_FUNCTION = """
CREATE FUNCTION refuse_order_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'order % is % at seq %: it cannot become % at seq %',
        OLD.id, OLD.status, OLD.last_seq, NEW.status, NEW.last_seq
        USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_absorb';
END $$
"""
_ABSORB_TRIGGER = f"""
CREATE TRIGGER orders_absorb BEFORE UPDATE ON orders FOR EACH ROW
WHEN (OLD.status IN ({values(TERMINAL)}) AND NEW.status <> OLD.status OR NEW.last_seq < OLD.last_seq)
EXECUTE FUNCTION refuse_order_change()
"""


@event.listens_for(OrderRow.__table__, "after_create")
def _create_trigger(_: object, connection: Connection, **__: object) -> None:
    connection.execute(text(_ABSORB_FUNCTION))
    connection.execute(text(_ABSORB_TRIGGER))


# By a trigger, so that no statement that stores an event can forget it, and one that stores none takes no number. The
# row of the account stays locked until the event is committed: that makes the numbers' order the events' order.
_LOG_FUNCTION = """
CREATE FUNCTION log_event_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner text;
    number bigint;
BEGIN
    SELECT account INTO STRICT owner FROM orders WHERE id = NEW.order_id;
    INSERT INTO account_positions AS known (account, last_seq) VALUES (owner, 1)
    ON CONFLICT (account) DO UPDATE SET last_seq = known.last_seq + 1
    RETURNING last_seq INTO number;
    INSERT INTO account_log (account, seq, order_id, order_seq) VALUES (owner, number, NEW.order_id, NEW.seq);
    RETURN NULL;
END $$
"""
_LOG_TRIGGER = """
CREATE TRIGGER order_events_of_account AFTER INSERT ON order_events FOR EACH ROW
EXECUTE FUNCTION log_event_of_account()
"""


@event.listens_for(OrderEventRow.__table__, "after_create")
def _create_log_trigger(_: object, connection: Connection, **__: object) -> None:
    connection.execute(text(_LOG_FUNCTION))
    connection.execute(text(_LOG_TRIGGER))
