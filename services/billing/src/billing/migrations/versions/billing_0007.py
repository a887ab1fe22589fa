"""Customers that are being adopted or made."""

from servicekit.migrate import run_sql

revision = "billing_0007"
down_revision = "billing_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
