"""The audit trail, customers' records, calendar feeds of staff, and busy times of their other calendars."""

from servicekit.audit import TABLE
from servicekit.migrate import run_sql

revision = "booking_0003"
down_revision = "booking_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(TABLE)
    run_sql(__file__)
