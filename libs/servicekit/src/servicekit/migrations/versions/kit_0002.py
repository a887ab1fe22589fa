"""Which tenants' rows are still to be kept or erased, and how far that has come."""

from servicekit.migrate import run_sql

revision = "kit_0002"
down_revision = "kit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
