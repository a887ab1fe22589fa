"""What an endpoint that was disabled leaves in the queue, to be failed batch by batch."""

from servicekit.migrate import run_sql

revision = "notification_0009"
down_revision = "notification_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
