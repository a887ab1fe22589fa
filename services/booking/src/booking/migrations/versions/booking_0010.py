"""How far a changed reminder policy has been followed."""

from servicekit.migrate import run_sql

revision = "booking_0010"
down_revision = "booking_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
