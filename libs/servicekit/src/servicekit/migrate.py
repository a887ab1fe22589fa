"""Migrations: Alembic revisions of plain SQL, the kit's own tables first, then the service's.

Run by `<service> migrate` as the database's owner, under an advisory lock, so that any number may start at once;
`migrate --wait` (an init container) waits until the schema is at the heads this code needs. Revisions are
expand-only within a release: the code before it goes on working (docs/adr/0009).
"""

import asyncio
import random
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import psycopg
import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from servicekit.errors import SlotwrightError
from servicekit.settings import CLIENT_TCP_TIMEOUTS, SERVER_TCP_TIMEOUTS, DatabaseSettings, server_of

log = structlog.get_logger(__name__)

_LOCK_KEY = 0x510_7816
_PAUSE_SECONDS = 1.0
# Well below the 5 s for which a request waits for a connection.
_LOCK_MILLISECONDS = 1500
_LOCK_PAUSE_SECONDS = 2.0
_UNKNOWN = "as the connection was lost; all of it stands or nothing does, and it can be run again"
_HERE = Path(__file__).parent / "migrations"


class MigrationError(SlotwrightError):
    """The schema could not be brought to its heads; the message names the revision."""


class DatabaseAway(MigrationError):
    """No connection as the database's owner was made in time: nothing was tried, and a later try may succeed."""


def _config(service: str) -> Config:
    own = import_module(f"{service}.migrations")
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("path_separator", "newline")
    config.set_main_option(
        "version_locations", f"{_HERE / 'versions'}\n{Path(str(own.__path__[0])) / 'versions'}"
    )
    return config


def run_sql(revision_file: str | Path) -> None:
    """Executes the `.sql` file beside a revision's `.py`; called by each revision's `upgrade`."""
    from alembic import op  # noqa: PLC0415 - only usable while Alembic runs a revision

    statements = Path(revision_file).with_suffix(".sql").read_text("utf-8")
    # past SQLAlchemy, which would take a `%` in the SQL for a placeholder; the transaction is the same
    raw = op.get_bind().connection.driver_connection
    assert raw is not None  # noqa: S101 - Alembic has just opened it
    try:
        raw.execute(statements.encode())
    except psycopg.Error as error:
        raise MigrationError(f"revision {Path(revision_file).stem}: {str(error).strip()}") from error


def migrate(service: str, settings: DatabaseSettings, *, limit: float = 0) -> None:
    """Brings the service's database to its heads; waits for the server for up to `limit` seconds.

    A schema that a newer release has made is left as it is: this one goes on with it (docs/adr/0009), and is what a
    rollback runs. Raises DatabaseAway, or MigrationError: a failed revision leaves no trace.
    """
    try:
        _migrate(service, _with_keepalives(settings.migration_conninfo()), limit)
    except psycopg.Error as error:
        raise MigrationError(f"{service}: {type(error).__name__}: {str(error).strip()}") from error


def _with_keepalives(conninfo: str) -> str:
    """With TCP timeouts, so that a migration whose machine has vanished does not keep its locks for hours."""
    options = conninfo_to_dict(conninfo).get("options", "")
    return make_conninfo(conninfo, options=f"{options} {SERVER_TCP_TIMEOUTS}".strip(), **CLIENT_TCP_TIMEOUTS)


def _migrate(service: str, conninfo: str, limit: float) -> None:
    with _connect(service, conninfo, limit) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        _grant(guard, f"{service}_app")
        config = _config(service)
        engine = _engine(conninfo)
        before = _current(engine)
        scripts = ScriptDirectory.from_config(config)
        if newer := before - {revision.revision for revision in scripts.walk_revisions()}:
            log.info("the schema is a newer release's", service=service, heads=sorted(newer))
            return
        try:
            _upgrade(service, config, engine, limit)
        except Exception as error:  # whatever a revision raised, the message must name where it stood
            wanted = _heads(scripts) - before
            fate = _UNKNOWN if any(map(_is_loss, _causes(error))) else "and was rolled back"
            raise MigrationError(
                f"{service}: upgrade from {sorted(before) or 'nothing'} to {sorted(wanted)} failed {fate}: {error}"
            ) from error
        log.info("migrated", service=service, heads=sorted(_current(engine)), before=sorted(before))


def _upgrade(service: str, config: Config, engine: sa.Engine, limit: float) -> None:
    """Tries until it gets its locks, for up to `limit` seconds.

    A try waits for a lock briefly only: whoever asks for the table after it has to wait behind it.
    """
    deadline = time.monotonic() + limit
    while True:
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
                config.attributes["connection"] = connection
                command.upgrade(config, "heads")
        except Exception as error:
            if (
                not any(isinstance(cause, psycopg.errors.LockNotAvailable) for cause in _causes(error))
                or time.monotonic() > deadline
            ):
                raise
            log.info("a table is in use, trying again", service=service, seen=_first_line(error))
            time.sleep(_LOCK_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        else:
            return


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_loss(error: BaseException) -> bool:
    """Whether the connection was lost, perhaps with the answer to COMMIT.

    The server says so by an error of its own; OperationalError itself is raised where the client noticed it.
    """
    lost = (psycopg.errors.AdminShutdown, psycopg.errors.CrashShutdown)
    return isinstance(error, lost) or type(error) is psycopg.OperationalError


def _connect(service: str, conninfo: str, limit: float) -> psycopg.Connection:
    deadline = time.monotonic() + limit
    while True:
        try:
            return psycopg.connect(conninfo, autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise DatabaseAway(f"{service}: {type(error).__name__}: {str(error).strip()}") from error
            log.info(
                "waiting for the database",
                service=service,
                server=server_of(conninfo),
                seen=_first_line(error),
            )
            time.sleep(_PAUSE_SECONDS)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _grant(connection: psycopg.Connection, app_role: str) -> None:
    role = sql.Identifier(app_role)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
    connection.execute(
        sql.SQL(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}"
        ).format(role)
    )
    connection.execute(
        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {}").format(role)
    )


def _heads(scripts: ScriptDirectory) -> set[str]:
    """The revisions that `alembic_version` has of a complete schema: those that no other follows or depends on.

    Alembic's own heads include the kit's, which is not in that table once a service's revision depends on it.
    """
    revisions = list(scripts.walk_revisions())
    below: set[str] = set()
    for revision in revisions:
        for names in (revision.down_revision, revision.dependencies):
            below |= {names} if isinstance(names, str) else set(names or ())
    return {revision.revision for revision in revisions} - below


def _current(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads())


def _engine(conninfo: str) -> sa.Engine:
    return sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=sa.pool.NullPool
    )


async def wait_for_schema(service: str, settings: DatabaseSettings, *, limit: float) -> None:
    """Waits until the schema has every revision this code knows; a newer schema is fine (expand-only).

    Reads with the app role. Raises MigrationError after `limit` seconds, saying what it saw last.
    """
    scripts = ScriptDirectory.from_config(_config(service))
    known, wanted = {revision.revision for revision in scripts.walk_revisions()}, _heads(scripts)
    deadline = time.monotonic() + limit
    seen, conninfo = "nothing yet", settings.conninfo()
    while time.monotonic() < deadline:
        try:
            async with await psycopg.AsyncConnection.connect(conninfo, connect_timeout=5) as connection:
                cursor = await connection.execute("SELECT version_num FROM alembic_version")
                heads = {row[0] for row in await cursor.fetchall()}
            if wanted <= heads or heads - known:
                return
            seen = f"revisions {sorted(heads)}"
        except psycopg.Error as error:
            seen = f"{type(error).__name__}: {_first_line(error)}"
        log.info(
            "waiting for the schema",
            service=service,
            server=server_of(conninfo),
            wanted=sorted(wanted),
            seen=seen,
        )
        await asyncio.sleep(_PAUSE_SECONDS)
    raise MigrationError(f"{service}: the schema did not reach {sorted(wanted)} in {limit:.0f} s; saw {seen}")
