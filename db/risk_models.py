"""The tables of the checks before trading: what orders reserve, what accounts trade in a day, halts of trading.

Money is promised in the database, by one function under one lock, so that any number of workers agree on it.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    Date,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    event,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models import Base, values
from workflows.domain.lifecycle import TERMINAL

# A u64 amount valued in base units of another token.
_VALUE = Numeric(40, 0)

# Later than every slot: the reservation counts whenever the balance was read.
_FOR_NOW = text("9223372036854775807")

_ENDED = values(TERMINAL)


class TradingHaltRow(Base):
    """A halt of trading; in force until it is resumed, one at a time."""

    __tablename__ = "trading_halts"
    __table_args__ = (
        CheckConstraint("(resumed_at IS NULL) = (resumed_by IS NULL)", name="resumed"),
        Index(
            "trading_halts_one_in_force_key",
            text("(resumed_at IS NULL)"),
            unique=True,
            postgresql_where=text("resumed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    halted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    halted_by: Mapped[str]
    reason: Mapped[str]
    resumed_at: Mapped[datetime | None]
    resumed_by: Mapped[str | None]


class RiskReservationRow(Base):
    """What an order may take from its wallet, and what it is worth, while it is under way.

    It counts against every balance that was read before `until_slot`, which triggers set to the order's last block
    when it has ended or traded: nothing has to remember to release it. `wallet` and `mint` are addresses, `notional`
    is in base units of the reference token (0 when no limit asked for it), `figures` what the checks measured.
    """

    __tablename__ = "risk_reservations"
    __table_args__ = (Index(None, "wallet", "until_slot"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger)
    account: Mapped[str]
    wallet: Mapped[str]
    mint: Mapped[str]
    lamports: Mapped[Decimal]
    spare_lamports: Mapped[Decimal]
    tokens: Mapped[Decimal]
    notional: Mapped[Decimal] = mapped_column(_VALUE)
    day: Mapped[date] = mapped_column(Date)
    until_slot: Mapped[int] = mapped_column(BigInteger, server_default=_FOR_NOW)
    figures: Mapped[dict[str, Any]]
    reserved_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RiskDayRow(Base):
    """What an account's orders of a UTC day are worth: those that traded and those that may still."""

    __tablename__ = "risk_days"
    __table_args__ = (CheckConstraint("notional >= 0", name="notional"),)

    account: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    notional: Mapped[Decimal] = mapped_column(_VALUE)


_HALT = """
CREATE FUNCTION halt_trading(who text, why text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Waits for statements that record a swap and lets no other begin: once this is committed, none is recorded.
    LOCK TABLE trading_halts IN EXCLUSIVE MODE;
    INSERT INTO trading_halts (halted_by, reason) VALUES (who, why) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$
"""
# Answers what others may take; stores the order's own reservation, in place of its former one, only where all fits.
_RESERVE = f"""
CREATE FUNCTION reserve_for_order(
    wanted risk_reservations, at_slot bigint, held_lamports numeric, held_tokens numeric, most_a_day numeric
) RETURNS TABLE (lamports numeric, spare_lamports numeric, tokens numeric, notional numeric) LANGUAGE plpgsql AS $$
DECLARE
    known risk_reservations;
    today date := (now() AT TIME ZONE 'UTC')::date;
    fits boolean;
BEGIN
    -- With its row held the order cannot end meanwhile. One that has ended or traded needs nothing any more.
    PERFORM FROM orders o WHERE o.id = wanted.order_id AND o.status NOT IN ({_ENDED}) FOR SHARE;
    IF NOT FOUND OR EXISTS (
        SELECT FROM swap_attempts a WHERE a.order_id = wanted.order_id AND a.outcome = 'landed'
    ) THEN
        RETURN;
    END IF;
    -- From here on one order of the wallet at a time; the statements below see what the one before has committed.
    PERFORM pg_advisory_xact_lock(hashtextextended(wanted.wallet, 0));
    SELECT coalesce(sum(r.lamports), 0), coalesce(max(r.spare_lamports), 0),
        coalesce(sum(r.tokens) FILTER (WHERE r.mint = wanted.mint), 0)
    INTO lamports, spare_lamports, tokens
    FROM risk_reservations r
    WHERE r.wallet = wanted.wallet AND r.until_slot > at_slot AND r.order_id <> wanted.order_id;
    fits := lamports + wanted.lamports + greatest(spare_lamports, wanted.spare_lamports) <= held_lamports
        AND tokens + wanted.tokens <= held_tokens;
    SELECT r.* INTO known FROM risk_reservations r WHERE r.order_id = wanted.order_id;
    notional := 0;
    IF wanted.notional > 0 THEN
        INSERT INTO risk_days (account, day, notional) VALUES (wanted.account, today, 0) ON CONFLICT DO NOTHING;
        SELECT d.notional INTO notional FROM risk_days d
        WHERE d.account = wanted.account AND d.day = today FOR UPDATE;
        IF known.account = wanted.account AND known.day = today THEN
            notional := notional - known.notional;
        END IF;
        fits := fits AND (most_a_day IS NULL OR notional + wanted.notional <= most_a_day);
    END IF;
    IF fits THEN
        UPDATE risk_days d SET notional = d.notional - known.notional
        WHERE known.notional > 0 AND d.account = known.account AND d.day = known.day;
        UPDATE risk_days d SET notional = d.notional + wanted.notional
        WHERE wanted.notional > 0 AND d.account = wanted.account AND d.day = today;
        INSERT INTO risk_reservations AS r
            (order_id, attempt, account, wallet, mint, lamports, spare_lamports, tokens, notional, day, figures)
        VALUES (wanted.order_id, wanted.attempt, wanted.account, wanted.wallet, wanted.mint, wanted.lamports,
            wanted.spare_lamports, wanted.tokens, wanted.notional, today, wanted.figures)
        ON CONFLICT (order_id) DO UPDATE SET attempt = excluded.attempt, account = excluded.account,
            wallet = excluded.wallet, mint = excluded.mint, lamports = excluded.lamports,
            spare_lamports = excluded.spare_lamports, tokens = excluded.tokens, notional = excluded.notional,
            day = excluded.day, figures = excluded.figures, until_slot = excluded.until_slot, reserved_at = now();
    END IF;
    RETURN NEXT;
END $$
"""
# Whatever code ends an order or settles a swap, the reservation is released in the same transaction.
_RELEASE = f"""
CREATE FUNCTION release_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ended orders;
    untraded risk_reservations;
BEGIN
    IF TG_TABLE_NAME = 'orders' THEN
        ended := NEW;
    ELSE
        SELECT o.* INTO ended FROM orders o WHERE o.id = NEW.order_id;
    END IF;
    -- Balances read before the order's last block do not show what it took: for those it still counts.
    UPDATE risk_reservations r SET until_slot = coalesce(
        (SELECT max(a.outcome_slot) FROM swap_attempts a WHERE a.order_id = ended.id), 0)
    WHERE r.order_id = ended.id
        AND NOT EXISTS (SELECT FROM swap_attempts a WHERE a.order_id = ended.id AND a.outcome IS NULL)
        AND (ended.status IN ({_ENDED}, 'open')
            OR EXISTS (SELECT FROM swap_attempts a WHERE a.order_id = ended.id AND a.outcome = 'landed'));
    IF TG_TABLE_NAME = 'orders' AND ended.status IN ({_ENDED}) AND ended.filled_in IS NULL THEN
        SELECT r.* INTO untraded FROM risk_reservations r WHERE r.order_id = ended.id AND r.notional > 0;
        UPDATE risk_reservations r SET notional = 0 WHERE r.order_id = untraded.order_id;
        UPDATE risk_days d SET notional = d.notional - untraded.notional
        WHERE d.account = untraded.account AND d.day = untraded.day;
    END IF;
    RETURN NULL;
END $$
"""
_ON_ORDERS = f"""
CREATE TRIGGER orders_release AFTER UPDATE OF status ON orders FOR EACH ROW
WHEN (NEW.status IN ({_ENDED}, 'open') AND NEW.status <> OLD.status)
EXECUTE FUNCTION release_reservation()
"""
_ON_SWAPS = """
CREATE TRIGGER swap_attempts_release AFTER UPDATE OF outcome ON swap_attempts FOR EACH ROW
WHEN (NEW.outcome IS NOT NULL AND OLD.outcome IS NULL)
EXECUTE FUNCTION release_reservation()
"""


@event.listens_for(Base.metadata, "after_create")
def _create_functions(_: object, connection: Connection, **__: object) -> None:
    for statement in (_HALT, _RESERVE, _RELEASE, _ON_ORDERS, _ON_SWAPS):
        connection.execute(text(statement))
