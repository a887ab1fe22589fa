"""Runs a service as the process it is, and gives it what it asks for: a database, auth's keys, settings.

Used by integration tests; a process that does not come up fails the test with its last lines.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from devstack.local_http import LOCAL_HTTP
from devstack.processes import free_port
from servicekit.testing.tokens import TokenMinter
from support.logs import last_lines
from support.programs import Process, Program

_READY_SECONDS = 90
SOON_GONE = {"kafka_session_seconds": "2"}
"""For a process that will be killed, as the next one waits for its session at Kafka to end."""


@dataclass
class Running:
    """A process that answers at `url`."""

    url: str
    process: Process
    log: Path

    def kill(self) -> None:
        """SIGKILL: no cleanup of any kind."""
        self.process.kill()
        self.process.wait(10)


def run_service(name: str, role: str, folder: Path, **env: str) -> AbstractContextManager[Running]:
    """The service in one of its roles, ready; `env` without the prefix SLOTWRIGHT_. Ended by SIGTERM.

    `port` is only for a process whose address another one is told before it runs. One that is to die at a `fault`
    leaves its consumer groups soon, not after the usual ten seconds.
    """
    return run_service_by(Program, name, role, folder, env)


@contextmanager
def run_service_by(
    start: Callable[[Sequence[str], Mapping[str, str], Path], Process],
    name: str,
    role: str,
    folder: Path,
    env: dict[str, str],
) -> Iterator[Running]:
    """The same, with another way to start a process."""
    port = int(env.get("port") or free_port())
    log = folder / f"{name}-{port}.log"
    log.write_bytes(b"")
    if "fault" in env:
        env = SOON_GONE | env
    settings = {f"SLOTWRIGHT_{key.upper()}": value for key, value in env.items()}
    process = start([name, role], settings | {"SLOTWRIGHT_PORT": str(port)}, log)
    running = Running(f"http://127.0.0.1:{port}", process, log)
    try:
        _until_ready(name, running)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(15)


def _until_ready(name: str, running: Running) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    last = "no answer"
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            answer = LOCAL_HTTP.get(f"{running.url}/readyz", timeout=2)
        except httpx.TransportError as error:
            last = str(error)
        else:
            if answer.status_code == 200:
                return
            last = answer.text
        time.sleep(0.05)
    raise AssertionError(f"{name} did not become ready: {last}\n{last_lines(running.log)}")


@contextmanager
def served_keys(minter: TokenMinter) -> Iterator[str]:
    """Serves the minter's public key as auth does; gives the JWKS URL."""
    body = json.dumps(minter.jwks()).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
    finally:
        server.shutdown()
        server.server_close()
