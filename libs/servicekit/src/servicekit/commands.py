"""The command line of a service: `python -m <service> all | serve | consume | relay | migrate | retell`.

Each service's `__main__` calls `main` with its name. A command imports only what it needs: `migrate`, which an init
container of every pod runs to wait for the schema, not the service; the others not Alembic.
"""

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import structlog

from servicekit.logging import configure_logging
from servicekit.settings import DatabaseSettings, Settings, from_environment

log = structlog.get_logger(__name__)


def main(name: str, argv: Sequence[str] | None = None) -> int:
    """Answers the exit code. Every service has `app.SERVICE`, and one with a database a package `migrations`."""
    has_database = find_spec(f"{name}.migrations") is not None
    parser = argparse.ArgumentParser(prog=name)
    commands = parser.add_subparsers(dest="role", required=True)
    for role in ["all", "serve", "consume", "relay"] if has_database else ["all", "serve"]:
        commands.add_parser(role)
    if has_database:
        migration = commands.add_parser("migrate")
        migration.add_argument(
            "--wait", action="store_true", help="wait until the schema is there instead of making it"
        )
        migration.add_argument(
            "--timeout", type=float, default=600, help="seconds to wait for the database, or its schema"
        )
    if find_spec(f"{name}.retelling") is not None:
        commands.add_parser("retell", help="publish the compacted topics' records anew, after a restore")
    arguments = parser.parse_args(argv)
    if arguments.role == "migrate":
        return _migrate(name, wait=arguments.wait, limit=arguments.timeout)
    if arguments.role == "retell":
        return _retell(name)
    from servicekit.runtime import run  # noqa: PLC0415

    return run(import_module(f"{name}.app").SERVICE, arguments.role)


def _migrate(name: str, *, wait: bool, limit: float) -> int:
    if wait:
        # A container's first process is not ended by a signal that it does not take, but killed once its pod's time
        # is over: a minute for each pod that waits when a rollback or a drain takes it away. A migration goes on.
        signal.signal(signal.SIGTERM, _end)
    from servicekit.migrate import DatabaseAway, MigrationError, migrate, wait_for_schema  # noqa: PLC0415

    if not _logging_configured(name):
        return 2
    try:
        if wait:
            asyncio.run(wait_for_schema(name, DatabaseSettings(), limit=limit))
        else:
            migrate(name, DatabaseSettings(), limit=limit)
    except MigrationError as error:
        log.error("migration failed", error=str(error))
        # The charts' Job does not count this exit code as a try (charts/servicelib/templates/_migration.tpl).
        return os.EX_TEMPFAIL if isinstance(error, DatabaseAway) else 1
    return 0


def _retell(name: str) -> int:
    from servicekit.retelling import run  # noqa: PLC0415

    return run(name) if _logging_configured(name) else 2


def _logging_configured(name: str) -> bool:
    """False where its settings are wrong, which has been told then.

    Not the service's own settings: where the owner's password is, the service's keys need not be.
    """
    settings = from_environment(name, Settings)
    if settings is not None:
        configure_logging(name, settings.log_level, settings.log_format)
    return settings is not None


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)
