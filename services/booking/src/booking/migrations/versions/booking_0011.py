"""Customers are found by an index."""

from servicekit.migrate import run_sql

revision = "booking_0011"
down_revision = "booking_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
