"""Order types, exact-out orders, time in force, the trader's own order ids, and what a price watcher looks for."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    "ALTER TABLE orders DROP CONSTRAINT orders_type_check",
    """
    ALTER TABLE orders
        ADD CONSTRAINT orders_type_check
            CHECK (type IN ('limit', 'market', 'stop', 'stop_limit', 'take_profit')),
        ADD COLUMN client_order_id text,
        ADD COLUMN parent_id uuid,
        ADD COLUMN amount_out numeric(20, 0)
            CONSTRAINT orders_amount_out_check CHECK (amount_out BETWEEN 1 AND 18446744073709551615),
        ADD COLUMN limit_price numeric,
        ADD COLUMN stop_price numeric,
        ADD COLUMN time_in_force text NOT NULL DEFAULT 'ioc'
            CONSTRAINT orders_time_in_force_check CHECK (time_in_force IN ('day', 'fok', 'gtc', 'gtd', 'ioc')),
        ADD COLUMN expire_at timestamptz,
        ADD COLUMN deadline timestamptz,
        ADD COLUMN triggered boolean NOT NULL DEFAULT false
    """,
    """
    CREATE UNIQUE INDEX orders_client_order_id_key ON orders (account, client_order_id)
    WHERE client_order_id IS NOT NULL
    """,
    "CREATE INDEX orders_open_idx ON orders (token_in, token_out) WHERE status = 'open'",
    "ALTER TABLE swap_attempts ADD COLUMN most_in numeric(20, 0)",
)


def upgrade() -> None:
    """Add the columns; orders known so far were market orders, tried at once or not at all."""
    for statement in _STATEMENTS:
        op.execute(statement)
