"""Appointments, reminders and subscriptions as events tell them."""

from servicekit.migrate import run_sql

revision = "analytics_0001"
down_revision = None
branch_labels = ("analytics",)
depends_on = "kit_0001"


def upgrade() -> None:
    run_sql(__file__)
