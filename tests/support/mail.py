"""A Mailpit for the session: a real SMTP server whose mails a test can read. Used by tests/conftest.py."""

import shutil
import tempfile
from pathlib import Path

from devstack import mailpit


class Mailpit:
    """A running Mailpit; `close` ends it. Mails are kept in memory only."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="slotwright-test-"))
        self._server = mailpit.Mailpit(self._home, keep=False)
        self._server.start()
        self.smtp_port, self.url = self._server.smtp_port, self._server.url

    def close(self) -> None:
        self._server.stop()
        shutil.rmtree(self._home)
