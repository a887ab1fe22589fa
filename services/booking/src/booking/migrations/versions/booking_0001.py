"""The catalog as booking knows it, customers, appointments, allocations under the exclusion constraint."""

from servicekit.migrate import run_sql

revision = "booking_0001"
down_revision = None
branch_labels = ("booking",)
depends_on = "kit_0001"


def upgrade() -> None:
    run_sql(__file__)
