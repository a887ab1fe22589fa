"""Who cancelled an appointment, and the words for one that was never confirmed."""

from servicekit.migrate import run_sql

revision = "notification_0006"
down_revision = "notification_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
