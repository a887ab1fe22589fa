"""What nobody needs any more is found by an index, and so is what a staff member's feed tells."""

from servicekit.migrate import run_sql

revision = "booking_0012"
down_revision = "booking_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
