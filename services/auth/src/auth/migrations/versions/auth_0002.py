"""The family of a session that another one opened."""

from servicekit.migrate import run_sql

revision = "auth_0002"
down_revision = "auth_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
