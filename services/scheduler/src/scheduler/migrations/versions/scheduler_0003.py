"""How far the requests and withdrawals have been read."""

from servicekit.migrate import run_sql

revision = "scheduler_0003"
down_revision = "scheduler_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
