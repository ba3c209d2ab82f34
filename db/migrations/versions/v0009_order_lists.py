"""What lists of orders are filtered by, each in the order in which they are shown."""

from alembic import op

revision = "0009"
down_revision = "0008"

_NEWEST = "created_at DESC, id DESC"

_STATEMENTS = (
    f"""
    CREATE INDEX orders_newest_by_pair_idx ON orders
    (account, least(token_in COLLATE "C", token_out), greatest(token_in COLLATE "C", token_out), {_NEWEST})
    """,
    f"CREATE INDEX orders_newest_by_type_idx ON orders (account, type, {_NEWEST})",
    f"CREATE INDEX orders_newest_by_venue_idx ON orders (account, venue, {_NEWEST})",
    f"CREATE INDEX orders_newest_by_wallet_idx ON orders (account, wallet, {_NEWEST})",
    f"""
    CREATE INDEX orders_newest_by_parent_idx ON orders (account, parent_id, {_NEWEST})
    WHERE parent_id IS NOT NULL
    """,
)


def upgrade() -> None:
    """Create the indexes."""
    for statement in _STATEMENTS:
        op.execute(statement)
