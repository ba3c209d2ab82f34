"""Tokens, pools, orders with their events, and the swaps signed for them."""

from alembic import op

revision = "0001"
down_revision = None

_STATUSES = (
    "'building', 'canceled', 'confirmed', 'expired', 'failed', 'open', 'partially_filled', 'pending',"
    " 'pending_cancel', 'rejected', 'routing', 'submitted'"
)

_STATEMENTS = (
    """
    CREATE TABLE tokens (
        mint text CONSTRAINT tokens_pkey PRIMARY KEY,
        symbol text NOT NULL,
        decimals smallint NOT NULL CONSTRAINT tokens_decimals_check CHECK (decimals BETWEEN 0 AND 255),
        program text NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX tokens_symbol_key ON tokens (upper(symbol))",
    """
    CREATE TABLE pools (
        address text CONSTRAINT pools_pkey PRIMARY KEY,
        venue text NOT NULL,
        kind text NOT NULL,
        mint_a text NOT NULL,
        mint_b text NOT NULL,
        excluded_reason text,
        excluded_detail text,
        first_seen timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pools_pair_order_check CHECK (mint_a < mint_b COLLATE "C"),
        CONSTRAINT pools_exclusion_check CHECK (excluded_reason IS NOT NULL OR excluded_detail IS NULL)
    )
    """,
    "CREATE INDEX pools_mint_a_mint_b_idx ON pools (mint_a, mint_b)",
    f"""
    CREATE TABLE orders (
        id uuid CONSTRAINT orders_pkey PRIMARY KEY,
        account text NOT NULL,
        wallet text NOT NULL,
        type text NOT NULL CONSTRAINT orders_type_check CHECK (type IN ('market')),
        token_in text NOT NULL,
        token_out text NOT NULL,
        amount_in numeric(20, 0) NOT NULL
            CONSTRAINT orders_amount_in_check CHECK (amount_in BETWEEN 1 AND 18446744073709551615),
        slippage_bps smallint NOT NULL
            CONSTRAINT orders_slippage_bps_check CHECK (slippage_bps BETWEEN 0 AND 10000),
        max_attempts smallint NOT NULL,
        terms jsonb NOT NULL,
        status text NOT NULL CONSTRAINT orders_status_check CHECK (status IN ({_STATUSES})),
        last_seq integer NOT NULL CONSTRAINT orders_last_seq_check CHECK (last_seq >= 1),
        attempt smallint NOT NULL,
        reason text,
        venue text,
        signature text,
        filled_in numeric(20, 0),
        filled_out numeric(20, 0),
        fee_lamports numeric(20, 0),
        slot bigint,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT orders_tokens_check CHECK (token_in <> token_out)
    )
    """,
    "CREATE INDEX orders_newest_idx ON orders (account, created_at DESC, id DESC)",
    "CREATE INDEX orders_newest_by_status_idx ON orders (account, status, created_at DESC, id DESC)",
    """
    CREATE FUNCTION refuse_order_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'order % is % at seq %: it cannot become % at seq %',
            OLD.id, OLD.status, OLD.last_seq, NEW.status, NEW.last_seq
            USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_absorb';
    END $$
    """,
    """
    CREATE TRIGGER orders_absorb BEFORE UPDATE ON orders FOR EACH ROW
    WHEN (OLD.status IN ('canceled', 'confirmed', 'expired', 'failed', 'rejected') AND NEW.status <> OLD.status
        OR NEW.last_seq < OLD.last_seq)
    EXECUTE FUNCTION refuse_order_change()
    """,
    f"""
    CREATE TABLE order_events (
        order_id uuid NOT NULL CONSTRAINT order_events_order_id_fkey REFERENCES orders (id),
        seq integer NOT NULL CONSTRAINT order_events_seq_check CHECK (seq >= 1),
        status text NOT NULL CONSTRAINT order_events_status_check CHECK (status IN ({_STATUSES})),
        at timestamptz NOT NULL,
        attempt smallint NOT NULL,
        reason text,
        venue text,
        signature text,
        fill jsonb,
        data jsonb NOT NULL,
        CONSTRAINT order_events_pkey PRIMARY KEY (order_id, seq)
    )
    """,
    """
    CREATE TABLE swap_attempts (
        order_id uuid NOT NULL CONSTRAINT swap_attempts_order_id_fkey REFERENCES orders (id),
        attempt smallint NOT NULL CONSTRAINT swap_attempts_attempt_check CHECK (attempt >= 1),
        venue text NOT NULL,
        kind text NOT NULL,
        pool text NOT NULL,
        wallet_address text NOT NULL,
        signature text NOT NULL CONSTRAINT swap_attempts_signature_key UNIQUE,
        transaction text NOT NULL,
        blockhash text NOT NULL,
        last_valid_block_height bigint NOT NULL,
        amount_in numeric(20, 0) NOT NULL,
        quoted_out numeric(20, 0) NOT NULL,
        least_out numeric(20, 0) NOT NULL,
        outcome text CONSTRAINT swap_attempts_outcome_check CHECK (outcome IN ('expired', 'landed', 'reverted')),
        outcome_slot bigint,
        reason text,
        detail text,
        fill jsonb,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        settled_at timestamptz,
        CONSTRAINT swap_attempts_pkey PRIMARY KEY (order_id, attempt),
        CONSTRAINT swap_attempts_settled_check CHECK ((outcome IS NULL) = (settled_at IS NULL))
    )
    """,
    """
    CREATE UNIQUE INDEX swap_attempts_one_live_key ON swap_attempts (order_id)
    WHERE outcome IS NULL OR outcome = 'landed'
    """,
)


def upgrade() -> None:
    """Create everything; the statements are those of the day they were written, independent of the models."""
    for statement in _STATEMENTS:
        op.execute(statement)
