"""A real SMTP server whose mails a person or a test can read: Mailpit. Used by the stack and by the tests.

Built from its module it has no web pages (npm builds those, and they are not in the module), so that mails are read
by its API: GET /api/v1/messages.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from devstack import processes
from devstack.archives import no_news
from devstack.binaries import MAILPIT, program
from devstack.errors import StackError
from devstack.local_http import LOCAL_HTTP
from devstack.processes import free_port

_START_SECONDS = 120.0


class MailpitError(StackError):
    """Mailpit could not be started; the message says what it printed."""


class Mailbox:
    """The mails that a Mailpit has taken. Methods raise httpx.HTTPError."""

    def __init__(self, url: str) -> None:
        self._url = url

    def to(self, address: str) -> list[dict[str, Any]]:
        """All to an address, the oldest first, as Mailpit tells them: `Subject`, `Text` and more."""
        found = LOCAL_HTTP.get(
            f"{self._url}/api/v1/search", params={"query": f'to:"{address}"', "limit": 200}
        )
        found.raise_for_status()
        return [self._whole(item) for item in reversed(found.json()["messages"])]

    def _whole(self, listed: dict[str, Any]) -> dict[str, Any]:
        """`Created`, which is when it came in, is told by the list alone."""
        answer = LOCAL_HTTP.get(f"{self._url}/api/v1/message/{listed['ID']}")
        answer.raise_for_status()
        return {**answer.json(), "Created": listed["Created"]}


class Mailpit:
    """One server. `folder` keeps its mails; with `keep` off they are gone when it ends. It keeps its ports.

    `recipients` is a regular expression of the addresses it takes mail for; it refuses the others.
    """

    def __init__(self, folder: Path, *, port: int = 0, keep: bool = True, recipients: str = "") -> None:
        self._folder = folder
        self._port = port
        self._keep = keep
        self._recipients = recipients
        self.log = folder / "mailpit.log"
        self.smtp_port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://127.0.0.1:{self._port}"

    def start(self, on_progress: Callable[[str], None] = no_news) -> None:
        """Builds it where it is missing, starts it and waits for it. Raises MailpitError, BinaryError."""
        binary = program(MAILPIT, on_progress)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.smtp_port, self._port = free_port(self.smtp_port), free_port(self._port)
        options = ["--database", str(self._folder / "mails.db")] if self._keep else []
        if self._recipients:
            options += ["--smtp-allowed-recipients", self._recipients]
        with self.log.open("wb") as log:
            self.process = processes.start(
                [
                    binary,
                    "--smtp",
                    f"127.0.0.1:{self.smtp_port}",
                    "--listen",
                    f"127.0.0.1:{self._port}",
                    *options,
                ],
                log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                LOCAL_HTTP.get(f"{self.url}/readyz", timeout=2)
            except httpx.TransportError as error:
                if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                    log_text = self.log.read_text("utf-8", "replace")
                    raise MailpitError(f"Mailpit did not start: {error}\n{log_text[-2000:]}") from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self.process is not None:
            processes.end(self.process, signal.SIGTERM)
            self.process = None
