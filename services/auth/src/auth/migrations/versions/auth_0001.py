"""Users, memberships, invitations, sessions, sign-ups, signing keys, mail."""

from servicekit.migrate import run_sql

revision = "auth_0001"
down_revision = None
branch_labels = ("auth",)
depends_on = "kit_0001"


def upgrade() -> None:
    run_sql(__file__)
