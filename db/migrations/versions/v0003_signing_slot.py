"""The slot at which a swap was signed."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; of swaps signed so far it is not known."""
    op.execute("ALTER TABLE swap_attempts ADD COLUMN signing_slot bigint")
