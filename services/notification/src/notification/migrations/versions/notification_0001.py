"""Messages, and what they are written from: appointments, customers, names and profiles."""

from servicekit.migrate import run_sql

revision = "notification_0001"
down_revision = None
branch_labels = ("notification",)
depends_on = "kit_0001"


def upgrade() -> None:
    run_sql(__file__)
