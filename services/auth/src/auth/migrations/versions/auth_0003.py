"""How far a session's refresh tokens have come."""

from servicekit.migrate import run_sql

revision = "auth_0003"
down_revision = "auth_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
