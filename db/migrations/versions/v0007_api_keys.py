"""API keys."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nobody has a key yet."""
    op.execute("""
    CREATE TABLE api_keys (
        id text CONSTRAINT api_keys_pkey PRIMARY KEY,
        fingerprint text NOT NULL,
        account text NOT NULL,
        name text NOT NULL,
        scopes text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz,
        last_used_at timestamptz
    )
    """)
    op.execute("CREATE INDEX api_keys_account_idx ON api_keys (account)")
