"""Creating calls at Stripe that have failed: the next attempt has other keys."""

from servicekit.migrate import run_sql

revision = "billing_0003"
down_revision = "billing_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
