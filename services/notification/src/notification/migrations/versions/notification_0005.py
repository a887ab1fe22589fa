"""The audit trail."""

from servicekit.audit import TABLE
from servicekit.migrate import run_sql

revision = "notification_0005"
down_revision = "notification_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(TABLE)
