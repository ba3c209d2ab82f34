"""What orders reserve of their wallets and of the daily limit, and the halts of trading."""

from alembic import op

revision = "0004"
down_revision = "0003"

_TERMINAL = "'canceled', 'confirmed', 'expired', 'failed', 'rejected'"

_STATEMENTS = (
    """
    CREATE TABLE trading_halts (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT trading_halts_pkey PRIMARY KEY,
        halted_at timestamptz NOT NULL DEFAULT now(),
        halted_by text NOT NULL,
        reason text NOT NULL,
        resumed_at timestamptz,
        resumed_by text,
        CONSTRAINT trading_halts_resumed_check CHECK ((resumed_at IS NULL) = (resumed_by IS NULL))
    )
    """,
    """
    CREATE UNIQUE INDEX trading_halts_one_in_force_key ON trading_halts ((resumed_at IS NULL))
    WHERE resumed_at IS NULL
    """,
    """
    CREATE TABLE risk_reservations (
        order_id uuid CONSTRAINT risk_reservations_pkey PRIMARY KEY
            CONSTRAINT risk_reservations_order_id_fkey REFERENCES orders (id),
        attempt smallint NOT NULL,
        account text NOT NULL,
        wallet text NOT NULL,
        mint text NOT NULL,
        lamports numeric(20, 0) NOT NULL,
        spare_lamports numeric(20, 0) NOT NULL,
        tokens numeric(20, 0) NOT NULL,
        notional numeric(40, 0) NOT NULL,
        day date NOT NULL,
        until_slot bigint NOT NULL DEFAULT 9223372036854775807,
        figures jsonb NOT NULL,
        reserved_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX risk_reservations_wallet_until_slot_idx ON risk_reservations (wallet, until_slot)",
    """
    CREATE TABLE risk_days (
        account text NOT NULL,
        day date NOT NULL,
        notional numeric(40, 0) NOT NULL CONSTRAINT risk_days_notional_check CHECK (notional >= 0),
        CONSTRAINT risk_days_pkey PRIMARY KEY (account, day)
    )
    """,
    """
    CREATE FUNCTION halt_trading(who text, why text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        -- Waits for statements that record a swap and lets no other begin: once this is committed, none is recorded.
        LOCK TABLE trading_halts IN EXCLUSIVE MODE;
        INSERT INTO trading_halts (halted_by, reason) VALUES (who, why) ON CONFLICT DO NOTHING;
        RETURN FOUND;
    END $$
    """,
    f"""
    CREATE FUNCTION reserve_for_order(
        wanted risk_reservations, at_slot bigint, held_lamports numeric, held_tokens numeric, most_a_day numeric
    ) RETURNS TABLE (lamports numeric, spare_lamports numeric, tokens numeric, notional numeric) LANGUAGE plpgsql AS $$
    DECLARE
        known risk_reservations;
        today date := (now() AT TIME ZONE 'UTC')::date;
        fits boolean;
    BEGIN
        -- With its row held the order cannot end meanwhile. One that has ended or traded needs nothing any more.
        PERFORM FROM orders o WHERE o.id = wanted.order_id AND o.status NOT IN ({_TERMINAL}) FOR SHARE;
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
    """,
    f"""
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
            AND (ended.status IN ({_TERMINAL}, 'open')
                OR EXISTS (SELECT FROM swap_attempts a WHERE a.order_id = ended.id AND a.outcome = 'landed'));
        IF TG_TABLE_NAME = 'orders' AND ended.status IN ({_TERMINAL}) AND ended.filled_in IS NULL THEN
            SELECT r.* INTO untraded FROM risk_reservations r WHERE r.order_id = ended.id AND r.notional > 0;
            UPDATE risk_reservations r SET notional = 0 WHERE r.order_id = untraded.order_id;
            UPDATE risk_days d SET notional = d.notional - untraded.notional
            WHERE d.account = untraded.account AND d.day = untraded.day;
        END IF;
        RETURN NULL;
    END $$
    """,
    f"""
    CREATE TRIGGER orders_release AFTER UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.status IN ({_TERMINAL}, 'open') AND NEW.status <> OLD.status)
    EXECUTE FUNCTION release_reservation()
    """,
    """
    CREATE TRIGGER swap_attempts_release AFTER UPDATE OF outcome ON swap_attempts FOR EACH ROW
    WHEN (NEW.outcome IS NOT NULL AND OLD.outcome IS NULL)
    EXECUTE FUNCTION release_reservation()
    """,
)


def upgrade() -> None:
    """Create everything; orders that are under way reserve nothing until their next attempt."""
    for statement in _STATEMENTS:
        op.execute(statement)
