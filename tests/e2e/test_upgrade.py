"""Releases that follow each other under load: with a migration, back again, and with a migration that fails.

The next release is this one with one more revision of booking's schema, put on top of its image. Slow: each is a
rollout of a cluster on two cores.
"""

from pathlib import Path

import pytest

from devstack.cluster import PLATFORM, ClusterError, image, run
from e2e.conftest import Business
from e2e.load import reading, under_load
from e2e.world import World

pytestmark = pytest.mark.slow

_RATE = 100
"""Requests a second."""
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


def next_release(world: World, folder: Path, name: str, sql: str) -> str:
    """Booking's image with one more revision, in the cluster's node; answers its tag."""
    heads = run("docker", "run", "--rm", "--entrypoint", "ls", image("booking", world.tag), _MIGRATIONS)
    after = max(file.removesuffix(".sql") for file in heads.split() if file.endswith(".sql"))
    (folder / f"{name}.py").write_text(_REVISION.format(text=name, name=name, after=after), "utf-8")
    (folder / f"{name}.sql").write_text(sql, "utf-8")
    (folder / "Dockerfile").write_text(
        f"FROM {image('booking', world.tag)}\nCOPY {name}.py {name}.sql {_MIGRATIONS}/\n", "utf-8"
    )
    tag = f"{world.tag}-{name.replace('_', '-')}"
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
    told = world.cluster.kubectl(
        "exec", pod, "--", "psql", "-h", "localhost", "-U", "postgres", "-d", "booking", "-tAc", query
    )
    return told.strip() == "1"


def test_an_upgrade_with_a_migration_and_the_way_back_fail_no_request(
    world: World, business: Business, tmp_path: Path
) -> None:
    tag = next_release(world, tmp_path, "booking_9001", "ALTER TABLE appointment ADD COLUMN e2e_note text;")
    with under_load(world.gateway, _RATE, reading(f"/v1/public/{business.slug}")) as load:
        world.install("--set", f"booking.image.tag={tag}")
        assert column(world, "e2e_note")
        world.cluster.helm("rollback", PLATFORM, "--wait", "--timeout", "5m")
    assert load.failures == {}
    assert load.outcomes["ok"] > _RATE
    (pod,) = world.pods("app.kubernetes.io/name=booking,app.kubernetes.io/component=all")
    assert pod["spec"]["containers"][0]["image"] == image("booking", world.tag)


def test_a_migration_that_fails_stops_the_rollout_and_names_itself(
    world: World, business: Business, tmp_path: Path
) -> None:
    tag = next_release(world, tmp_path, "booking_9002", "ALTER TABLE no_such_table ADD COLUMN x text;")
    with under_load(world.gateway, 5, reading(f"/v1/public/{business.slug}")) as load:
        with pytest.raises(ClusterError, match="booking-migrate"):
            world.install("--set", f"booking.image.tag={tag}", "--set", "booking.migrations.backoffLimit=0")
        failed = world.pods("app.kubernetes.io/name=booking,app.kubernetes.io/component=migrate")
        said = [
            state["terminated"].get("message", "")
            for pod in failed
            for status in pod["status"].get("containerStatuses", ())
            if (state := status["state"]).get("terminated") and state["terminated"]["exitCode"]
        ]
        assert any("booking_9002" in message for message in said), said
        world.cluster.helm("rollback", PLATFORM, "--wait", "--timeout", "5m")
    assert load.failures == {}
