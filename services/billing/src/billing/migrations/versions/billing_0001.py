"""Accounts, subscriptions, invoices, checkout sessions, tasks, Stripe's events, use by month."""

from servicekit.migrate import run_sql

revision = "billing_0001"
down_revision = None
branch_labels = ("billing",)
depends_on = "kit_0001"


def upgrade() -> None:
    run_sql(__file__)
