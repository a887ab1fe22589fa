"""What a business lays down about its messages: wording, quiet hours; and who wants none any more."""

from servicekit.migrate import run_sql

revision = "notification_0003"
down_revision = "notification_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
