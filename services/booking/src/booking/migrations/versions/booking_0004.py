"""Appointments of a series; the waitlist, its offers, and the times that have become free for them."""

from servicekit.migrate import run_sql

revision = "booking_0004"
down_revision = "booking_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
