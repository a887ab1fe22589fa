"""When what is taken begins and ends, in columns that an index can serve under row level security."""

from servicekit.migrate import run_sql

revision = "booking_0005"
down_revision = "booking_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
