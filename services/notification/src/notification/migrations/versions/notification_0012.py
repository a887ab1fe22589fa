"""What is under way to an endpoint, by the end of its lease."""

from servicekit.migrate import run_sql

revision = "notification_0012"
down_revision = "notification_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
