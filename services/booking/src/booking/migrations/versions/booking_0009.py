"""A waitlist entry knows when it is looked at in full, whose it is while in line, and since when it is as it is."""

from servicekit.migrate import run_sql

revision = "booking_0009"
down_revision = "booking_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
