"""What a service needs beyond one staff member, and when nobody works."""

from servicekit.migrate import run_sql

revision = "booking_0002"
down_revision = "booking_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
