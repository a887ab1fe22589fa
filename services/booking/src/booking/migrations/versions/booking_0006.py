"""Whose a hold is, so that one client's can be counted."""

from servicekit.migrate import run_sql

revision = "booking_0006"
down_revision = "booking_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
