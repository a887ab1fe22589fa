"""Webhooks: the endpoints of a business, the secrets that sign, what is delivered, and each attempt."""

from servicekit.migrate import run_sql

revision = "notification_0002"
down_revision = "notification_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
