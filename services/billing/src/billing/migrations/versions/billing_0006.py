"""A customer that was made for a deleted tenant can be adopted."""

from servicekit.migrate import run_sql

revision = "billing_0006"
down_revision = "billing_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
