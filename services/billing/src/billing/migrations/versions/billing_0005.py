"""Stripe's events that are old enough to be forgotten can be found."""

from servicekit.migrate import run_sql

revision = "billing_0005"
down_revision = "billing_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
