"""Offers to the waitlist, and the mails that tell of them."""

from servicekit.migrate import run_sql

revision = "notification_0004"
down_revision = "notification_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
