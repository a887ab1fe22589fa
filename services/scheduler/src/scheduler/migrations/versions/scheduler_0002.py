"""Closed timers apart, in days that are emptied whole."""

from servicekit.migrate import run_sql

revision = "scheduler_0002"
down_revision = "scheduler_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
