"""One PostgreSQL for the session; each test that asks gets a database of its own, cloned from a migrated template.

Used by tests/conftest.py.
"""

import secrets
import shutil
import signal
import tempfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from pydantic import SecretStr

from devstack.postgres import Postgres, create_database, create_roles
from servicekit.migrate import migrate
from servicekit.settings import DatabaseSettings

_UNSYNCED = MappingProxyType({"fsync": "off", "synchronous_commit": "off", "scram_iterations": "1"})
_KEPT = 16
"""So many databases are looked into in turn by who has most of them; a server has 200 connections in all."""


class Superuser:
    """The superuser's connections, of which each is kept for the next statement in its database.

    A connection takes 14 ms of CPU, and who waits for a row asks twenty times a second.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, psycopg.Connection[DictRow]] = OrderedDict()

    def execute(self, url: str, statement: str, values: Sequence[Any]) -> list[DictRow]:
        """One statement, committed; its rows, none where it has no answer.

        From several threads at once each has a connection of its own.
        """
        kept = self._kept.pop(url, None)
        if kept is not None:
            try:
                return self._executed(kept, url, statement, values)
            except psycopg.OperationalError:
                if not kept.closed:
                    raise
                # It was ended by a test, or with the server.
        made = psycopg.connect(url, autocommit=True, row_factory=dict_row, prepare_threshold=None)
        return self._executed(made, url, statement, values)

    def _executed(
        self, conn: psycopg.Connection[DictRow], url: str, statement: str, values: Sequence[Any]
    ) -> list[DictRow]:
        try:
            cursor = conn.execute(statement.encode(), values)
            return [] if cursor.description is None else cursor.fetchall()
        finally:
            if conn.broken:
                conn.close()
            else:
                self._keep(url, conn)

    def _keep(self, url: str, conn: psycopg.Connection[DictRow]) -> None:
        if other := self._kept.pop(url, None):
            other.close()
        self._kept[url] = conn
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)[1].close()

    def close(self) -> None:
        for conn in self._kept.values():
            conn.close()
        self._kept.clear()


@dataclass(frozen=True)
class ServiceDatabase:
    """How the service reaches its database, and how a test looks into it past row level security."""

    settings: DatabaseSettings
    admin_url: str
    superuser: Superuser

    def rows(self, statement: str, *values: Any) -> list[DictRow]:
        """What a statement answers the superuser, past row level security; a change is committed."""
        return self.superuser.execute(self.admin_url, statement, values)


class Databases:
    """Makes databases; `close` ends the server and removes its files.

    `settings` are the server's. Tests do without its syncing, which a crash of the machine alone would ask for, and
    without a login that takes its time.
    """

    def __init__(self, settings: Mapping[str, str] = _UNSYNCED) -> None:
        # Not pytest's own folder: another user, as which the server may run, cannot enter that.
        self._home = Path(tempfile.mkdtemp(prefix="slotwright-test-"))
        self._home.chmod(0o711)
        self.server = Postgres(self._home / "postgres", settings=settings)
        self.server.start()
        self._passwords: dict[str, str] = {}
        self._templates: set[str] = set()
        self._superuser = Superuser()
        self._made = 0

    def for_service(self, service: str) -> ServiceDatabase:
        """A fresh database of the service, at its newest schema."""
        template = f"{service}_template"
        if template not in self._templates:
            self._make(service, template)
            migrate(service, self._settings(service, template))
            self._templates.add(template)
        return self._fresh(service, template)

    def empty_for(self, service: str) -> ServiceDatabase:
        """A database of the service without any schema."""
        return self._fresh(service, None)

    def _fresh(self, service: str, template: str | None) -> ServiceDatabase:
        self._made += 1
        name = f"{service}_{self._made}"
        self._make(service, name, template)
        return ServiceDatabase(self._settings(service, name), self.server.url(name), self._superuser)

    def _make(self, service: str, name: str, template: str | None = None) -> None:
        if service not in self._passwords:
            self._passwords[service] = secrets.token_urlsafe(16)
            create_roles(self.server.url(), service, self._passwords[service])
        create_database(self.server.url(), service, name, template=template)

    def _settings(self, service: str, name: str) -> DatabaseSettings:
        password = self._passwords[service]
        return DatabaseSettings(
            database_url=SecretStr(self.server.url(name, user=f"{service}_app", password=password)),
            migration_database_url=SecretStr(
                self.server.url(name, user=f"{service}_owner", password=password)
            ),
            database_pool_size=16,
        )

    def close(self) -> None:
        """By an immediate shutdown: the checkpoint of one in order would write what goes with the files."""
        self._superuser.close()
        process = self.server.running()
        process.send_signal(signal.SIGQUIT)
        process.wait(60)
        shutil.rmtree(self._home)
