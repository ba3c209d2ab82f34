"""What reconciliation found, how far it has read, and the indexes that let it read little."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    """
    CREATE TABLE reconciliations (
        started_at timestamptz CONSTRAINT reconciliations_pkey PRIMARY KEY,
        finished_at timestamptz NOT NULL,
        whole boolean NOT NULL,
        orders integer NOT NULL,
        swaps integer NOT NULL,
        workflows integer NOT NULL,
        raised integer NOT NULL,
        repaired integer NOT NULL
    )
    """,
    """
    CREATE TABLE reconciliation_findings (
        kind text NOT NULL,
        order_id uuid NOT NULL,
        signature text NOT NULL,
        detail text NOT NULL,
        repaired boolean NOT NULL,
        first_seen timestamptz NOT NULL,
        last_seen timestamptz NOT NULL,
        over_at timestamptz,
        CONSTRAINT reconciliation_findings_pkey PRIMARY KEY (kind, order_id, signature)
    )
    """,
    "CREATE INDEX reconciliation_findings_open_idx ON reconciliation_findings (first_seen) WHERE over_at IS NULL",
    """
    CREATE TABLE wallet_cursors (
        wallet_address text CONSTRAINT wallet_cursors_pkey PRIMARY KEY,
        signature text NOT NULL
    )
    """,
    """
    CREATE INDEX orders_unfinished_idx ON orders (id)
    WHERE status NOT IN ('canceled', 'confirmed', 'expired', 'failed', 'rejected')
    """,
    "CREATE INDEX swap_attempts_settled_at_idx ON swap_attempts (settled_at)",
    "CREATE INDEX swap_attempts_unsettled_idx ON swap_attempts (order_id) WHERE outcome IS NULL",
    "CREATE INDEX swap_attempts_wallet_address_idx ON swap_attempts (wallet_address)",
)


def upgrade() -> None:
    """Create the tables and indexes; nothing is reconciled yet."""
    for statement in _STATEMENTS:
        op.execute(statement)
