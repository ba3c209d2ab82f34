"""The address lookup table of a pool."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; pools known so far have none."""
    op.execute("ALTER TABLE pools ADD COLUMN lookup_table text")
