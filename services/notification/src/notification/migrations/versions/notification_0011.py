"""Since when a message is repeated."""

from servicekit.migrate import run_sql

revision = "notification_0011"
down_revision = "notification_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
