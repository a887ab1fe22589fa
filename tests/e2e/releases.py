"""A release that follows this one: booking's image with more revisions of its schema. Used by test_platform."""

from pathlib import Path

from devstack.cluster import image, run
from e2e.world import World

_REVISION = '''"""{text}"""

from servicekit.migrate import run_sql

revision = "{name}"
down_revision = "{after}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(__file__)
'''
_MIGRATIONS = "/opt/slotwright/lib/python3.13/site-packages/booking/migrations/versions"


def next_release(world: World, folder: Path, revisions: dict[str, str]) -> str:
    """Booking's image with revisions of that name and SQL on top, in the cluster's node; answers its tag."""
    heads = run("docker", "run", "--rm", "--entrypoint", "ls", image("booking", world.tag), _MIGRATIONS)
    after = max(file.removesuffix(".sql") for file in heads.split() if file.endswith(".sql"))
    for name, sql in revisions.items():
        (folder / f"{name}.py").write_text(_REVISION.format(text=name, name=name, after=after), "utf-8")
        (folder / f"{name}.sql").write_text(sql, "utf-8")
        after = name
    (folder / "Dockerfile").write_text(
        f"FROM {image('booking', world.tag)}\nCOPY *.py *.sql {_MIGRATIONS}/\n", "utf-8"
    )
    tag = f"{world.tag}-{after.replace('_', '-')}"
    run("docker", "build", "-t", image("booking", tag), str(folder))
    run("kind", "load", "docker-image", "--name", world.cluster.name, image("booking", tag))
    return tag


def column(world: World, name: str) -> bool:
    """Whether booking's table of appointments has the column."""
    query = (
        "SELECT count(*) FROM information_schema.columns"
        f" WHERE table_name = 'appointment' AND column_name = '{name}'"
    )
    pod = world.pods("app.kubernetes.io/name=postgres")[0]["metadata"]["name"]
    psql = 'PGPASSWORD="$POSTGRES_PASSWORD" exec psql -h localhost -U postgres -d booking -tAc "$0"'
    told = world.cluster.kubectl("exec", pod, "--", "sh", "-c", psql, query)
    return told.strip() == "1"
