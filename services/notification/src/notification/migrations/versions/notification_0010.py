"""Which version of a customer has booked."""

from servicekit.migrate import run_sql

revision = "notification_0010"
down_revision = "notification_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
