"""Appointments that nobody has confirmed by their start can be found, across tenants."""

from servicekit.migrate import run_sql

revision = "booking_0007"
down_revision = "booking_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
