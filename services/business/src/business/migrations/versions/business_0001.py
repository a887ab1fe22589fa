"""Profile, staff, services, reminder policy."""

from servicekit.migrate import run_sql

revision = "business_0001"
down_revision = None
branch_labels = ("business",)
depends_on = "kit_0001"


def upgrade() -> None:
    run_sql(__file__)
