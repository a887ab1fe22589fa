"""A session may end because its member's role was changed."""

from servicekit.migrate import run_sql

revision = "auth_0004"
down_revision = "auth_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
