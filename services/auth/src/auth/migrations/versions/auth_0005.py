"""What has served its time is found by an index, and so is a session by its id."""

from servicekit.migrate import run_sql

revision = "auth_0005"
down_revision = "auth_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
