"""What of a business is not sent or not delivered, and what is a text message, is found by an index."""

from servicekit.migrate import run_sql

revision = "notification_0013"
down_revision = "notification_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
