"""The tables that every service has: tenants, outbox, inbox, idempotency, usage, and the RLS helpers."""

from servicekit.migrate import run_sql

revision = "kit_0001"
down_revision = None
branch_labels = ("kit",)
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
