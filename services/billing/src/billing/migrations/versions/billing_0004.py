"""A customer that a deleted tenant had adopted can be adopted again."""

from servicekit.migrate import run_sql

revision = "billing_0004"
down_revision = "billing_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
