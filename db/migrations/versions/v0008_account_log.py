"""The log of an account: every event of its orders under one sequence."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    """
    CREATE TABLE account_positions (
        account text CONSTRAINT account_positions_pkey PRIMARY KEY,
        last_seq bigint NOT NULL CONSTRAINT account_positions_last_seq_check CHECK (last_seq >= 1)
    )
    """,
    """
    CREATE TABLE account_log (
        account text NOT NULL,
        seq bigint NOT NULL CONSTRAINT account_log_seq_check CHECK (seq >= 1),
        order_id uuid NOT NULL,
        order_seq integer NOT NULL,
        CONSTRAINT account_log_pkey PRIMARY KEY (account, seq)
    )
    """,
    """
    INSERT INTO account_log (account, seq, order_id, order_seq)
    SELECT account, row_number() OVER (PARTITION BY account ORDER BY at, order_id, seq), order_id, seq
    FROM order_events JOIN orders ON orders.id = order_events.order_id
    """,
    "INSERT INTO account_positions (account, last_seq) SELECT account, max(seq) FROM account_log GROUP BY account",
    """
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
    """,
    """
    CREATE TRIGGER order_events_of_account AFTER INSERT ON order_events FOR EACH ROW
    EXECUTE FUNCTION log_event_of_account()
    """,
)


def upgrade() -> None:
    """Number the events that are there by their time, and every later one as it is stored."""
    for statement in _STATEMENTS:
        op.execute(statement)
