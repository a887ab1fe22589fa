"""The audit trail."""

from servicekit.audit import TABLE
from servicekit.migrate import run_sql

revision = "business_0003"
down_revision = "business_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(TABLE)
