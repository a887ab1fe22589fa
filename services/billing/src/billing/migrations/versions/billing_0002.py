"""Amounts of invoices as large as Stripe's."""

from servicekit.migrate import run_sql

revision = "billing_0002"
down_revision = "billing_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
