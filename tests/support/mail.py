"""A real SMTP server whose mails a test can read, Mailpit, where it is installed.

Used by tests/conftest.py. The local stack is to build Mailpit where it is missing (issue 3); until then tests that
need it are skipped, and say so.
"""

import shutil
import subprocess
import time

import httpx

from devstack.processes import end_with_parent, free_port


class Mailpit:
    """A running Mailpit; `close` ends it. Mails are kept in memory only."""

    def __init__(self, program: str) -> None:
        self.smtp_port, port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [program, "--smtp", f"127.0.0.1:{self.smtp_port}", "--listen", f"127.0.0.1:{port}", "--quiet"],
            preexec_fn=end_with_parent,  # noqa: PLW1509 - a single prctl call
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{self.url}/readyz", timeout=2)
            except httpx.TransportError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    @staticmethod
    def program() -> str | None:
        """Where Mailpit is installed."""
        return shutil.which("mailpit")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
