"""`<service> migrate` and `migrate --wait` as the processes that they are, on a real Postgres.

The service is one of a few lines, so that its revisions can be what a test wants.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from devstack.processes import free_port
from servicekit.migrate import wait_for_schema
from support.databases import Databases, ServiceDatabase
from support.events import until

_MAIN = """
from servicekit.commands import main

raise SystemExit(main("probe"))
"""
_REVISION = """
from servicekit.migrate import run_sql
revision, down_revision, branch_labels, depends_on = "{name}", {before!r}, None, {kit!r}
def upgrade():
    run_sql(__file__)
"""
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


class Probe:
    """A service with these revisions, and an empty database of its own."""

    def __init__(self, folder: Path, database: ServiceDatabase) -> None:
        self.folder = folder
        self.database = database
        (folder / "probe" / "migrations" / "versions").mkdir(parents=True)
        for package in ("probe", "probe/migrations"):
            (folder / package / "__init__.py").touch()
        (folder / "probe" / "__main__.py").write_text(_MAIN, "utf-8")
        self._last: str | None = None

    def revise(self, name: str, statements: str) -> None:
        """One more revision behind the others."""
        path = self.folder / "probe" / "migrations" / "versions" / f"{name}.py"
        kit = None if self._last else "kit_0002"
        path.write_text(_REVISION.format(name=name, before=self._last, kit=kit), "utf-8")
        path.with_suffix(".sql").write_text(statements, "utf-8")
        self._last = name

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        settings = self.database.settings
        given = {
            "PYTHONPATH": str(self.folder),
            "SLOTWRIGHT_DATABASE_URL": settings.database_url.get_secret_value(),
            "SLOTWRIGHT_MIGRATION_DATABASE_URL": settings.migration_database_url.get_secret_value(),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "probe", "migrate", *arguments],
            env=os.environ | given | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def tables(self) -> set[str]:
        with psycopg.connect(self.database.admin_url) as conn:
            return {row[0] for row in conn.execute(_TABLES.encode()).fetchall()}


def ended(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and the log; anything that is no log line, a traceback say, fails the test."""
    out, _ = process.communicate(timeout=60)
    return process.returncode, [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def probe(tmp_path: Path, databases: Databases) -> Probe:
    return Probe(tmp_path, databases.empty_for("probe"))


def test_four_at_once_migrate_once(probe: Probe) -> None:
    probe.revise("probe_0001", "CREATE TABLE shop (tenant_id uuid PRIMARY KEY); SELECT pg_sleep(0.3);")
    running = [probe.start() for _ in range(4)]
    answers = [ended(process) for process in running]
    assert [code for code, _ in answers] == [0, 0, 0, 0]
    did = [
        line for _, lines in answers for line in lines if line["event"] == "migrated" and not line["before"]
    ]
    assert len(did) == 1
    assert {"shop", "outbox", "inbox", "tenants"} <= probe.tables()
    with psycopg.connect(probe.database.settings.database_url.get_secret_value()) as app:
        assert app.execute("SELECT count(*) FROM shop").fetchone() == (0,)


def test_a_failed_migration_leaves_nothing_half_done_and_names_its_revision(probe: Probe) -> None:
    probe.revise("probe_0001", "CREATE TABLE shop (id int)")
    assert ended(probe.start())[0] == 0
    probe.revise("probe_0002", "CREATE TABLE shelf (id int); ALTER TABLE shop ADD COLUMN name text")
    probe.revise("probe_0003", "CREATE TABLE till (id int); ALTER TABLE nowhere ADD COLUMN name text")
    probe.revise("probe_0004", "CREATE TABLE door (id int)")
    code, lines = ended(probe.start())
    assert code == 1
    assert lines[-1]["event"] == "migration failed"
    assert "revision probe_0003: relation" in lines[-1]["error"]
    assert "was rolled back" in lines[-1]["error"]
    assert {"shelf", "till", "door"} & probe.tables() == set()
    with psycopg.connect(probe.database.admin_url) as conn:
        assert conn.execute(
            "SELECT version_num FROM alembic_version WHERE version_num LIKE 'probe%'"
        ).fetchall() == [("probe_0001",)]


def test_of_a_connection_that_was_lost_it_is_not_said_that_nothing_has_come(probe: Probe) -> None:
    """It may have been lost with the answer to COMMIT."""
    probe.revise("probe_0001", "CREATE TABLE shop (id int); SELECT pg_terminate_backend(pg_backend_pid())")
    code, lines = ended(probe.start())
    assert code == 1
    assert "all of it stands or nothing does" in lines[-1]["error"]
    assert "rolled back" not in lines[-1]["error"]


def test_a_migration_whose_machine_has_vanished_is_given_up_in_half_a_minute(probe: Probe) -> None:
    """Else its locks would stay for the two hours that TCP waits by default, and everybody would wait for them."""
    names = ("tcp_keepalives_idle", "tcp_user_timeout")
    settings = ", ".join(f"current_setting('{name}') AS {name}" for name in names)
    probe.revise("probe_1", f"CREATE TABLE seen AS SELECT {settings}")
    assert ended(probe.start())[0] == 0
    with psycopg.connect(probe.database.admin_url) as conn:
        assert conn.execute("SELECT * FROM seen").fetchall() == [("15", "30000")]


def test_a_table_in_use_is_not_queued_for_but_tried_again(probe: Probe) -> None:
    """Whoever waits for a table's lock holds up all who come after: for two seconds at most."""
    probe.revise("probe_0001", "CREATE TABLE busy (n int); GRANT SELECT ON busy TO PUBLIC")
    assert ended(probe.start())[0] == 0
    probe.revise("probe_0002", "ALTER TABLE busy ADD COLUMN more int")
    with (
        psycopg.connect(probe.database.admin_url) as user,
        psycopg.connect(probe.database.admin_url) as next_one,
    ):
        user.execute("SELECT n FROM busy")
        process = probe.start()
        tries = 0

        def tried(entry: dict[str, Any]) -> None:
            nonlocal tries
            tries += entry["event"] == "a table is in use, trying again"

        reading = threading.Thread(target=_read, args=(process, tried))
        reading.start()
        until(lambda: tries >= 2, "it has given way twice")
        next_one.execute("SET statement_timeout = '4s'")
        next_one.execute("SELECT n FROM busy")
        next_one.rollback()
        user.rollback()
        reading.join(60)
        assert process.wait(60) == 0
    with psycopg.connect(probe.database.admin_url) as conn:
        conn.execute("SELECT more FROM busy")


@pytest.mark.parametrize(("arguments", "exit_code"), [((), os.EX_TEMPFAIL), (("--wait",), 1)])
def test_a_database_that_is_not_there_is_said_in_a_line(
    probe: Probe, arguments: tuple[str, ...], exit_code: int
) -> None:
    """And by an exit code that the charts' Job tells from a migration that failed."""
    probe.revise("probe_0001", "CREATE TABLE shop (id int)")
    nowhere = f"postgresql://probe:secret@127.0.0.1:{free_port()}/probe"
    code, lines = ended(
        probe.start(
            *arguments,
            "--timeout=1",
            SLOTWRIGHT_DATABASE_URL=nowhere,
            SLOTWRIGHT_MIGRATION_DATABASE_URL=nowhere,
        )
    )
    assert code == exit_code
    assert "Connection refused" in lines[0]["seen"]
    said = lines[-1]["error"]
    assert "Connection refused" in said
    assert "secret" not in said


@contextmanager
def waiting(probe: Probe) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, Any]]]]:
    """A process that waits for the schema, and the lines that it has logged so far."""
    process = probe.start("--wait")
    lines: list[dict[str, Any]] = []
    reader = threading.Thread(target=_read, args=(process, lines.append))
    reader.start()
    try:
        yield process, lines
    finally:
        process.kill()
        reader.join()


def test_waiting_names_what_it_waits_for_and_ends_once_the_schema_is_there(probe: Probe) -> None:
    probe.revise("probe_0001", "CREATE TABLE shop (id int)")
    assert ended(probe.start())[0] == 0
    probe.revise("probe_0002", "CREATE TABLE shelf (id int)")
    with waiting(probe) as (process, lines):
        said = until(lambda: lines[:1], "it says what it waits for")[0]
        assert said["event"] == "waiting for the schema"
        assert said["wanted"] == ["probe_0002"]
        assert "probe_0001" in said["seen"]
        assert ended(probe.start())[0] == 0
        assert process.wait(30) == 0


def test_who_waits_ends_by_itself_when_told_to(probe: Probe) -> None:
    """No signal ends the first process of a container from outside, as it ends another: it has to go."""
    probe.revise("probe_0001", "CREATE TABLE shop (id int)")
    with waiting(probe) as (process, lines):
        until(lambda: lines, "it waits")
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "service", ["auth", "business", "booking", "scheduler", "notification", "billing", "analytics"]
)
async def test_no_service_waits_for_a_schema_that_it_has(databases: Databases, service: str) -> None:
    await wait_for_schema(service, databases.for_service(service).settings, limit=5)


def test_a_schema_newer_than_the_code_is_enough(probe: Probe) -> None:
    """As revisions of one release only expand (docs/adr/0009), the code before it goes on, after a rollback too."""
    probe.revise("probe_0001", "CREATE TABLE shop (id int)")
    probe.revise("probe_0002", "CREATE TABLE shelf (id int)")
    assert ended(probe.start())[0] == 0
    for path in (probe.folder / "probe" / "migrations" / "versions").glob("probe_0002.*"):
        path.unlink()
    assert ended(probe.start("--wait"))[0] == 0
    code, lines = ended(probe.start())
    assert code == 0
    assert lines[-1]["event"] == "the schema is a newer release's"
    assert {"shop", "shelf"} <= probe.tables()


def _read(process: subprocess.Popen[str], take: Callable[[dict[str, Any]], None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        take(json.loads(line))
