"""An appointment knows who cancelled it."""

from servicekit.migrate import run_sql

revision = "booking_0008"
down_revision = "booking_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
