"""Messages to a business's owner: an endpoint of its webhooks was disabled."""

from servicekit.migrate import run_sql

revision = "notification_0007"
down_revision = "notification_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
