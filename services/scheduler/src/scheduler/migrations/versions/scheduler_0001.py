"""Timers."""

from servicekit.migrate import run_sql

revision = "scheduler_0001"
down_revision = None
branch_labels = ("scheduler",)
depends_on = "kit_0001"


def upgrade() -> None:
    run_sql(__file__)
