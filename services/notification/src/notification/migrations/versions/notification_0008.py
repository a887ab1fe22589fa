"""Webhook endpoints that were deleted, and whose deliveries are still to be removed."""

from servicekit.migrate import run_sql

revision = "notification_0008"
down_revision = "notification_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
