"""The supervisor with processes of a few lines: ready, died, started anew, given up, ended."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from devstack.processes import free_port
from devstack.state import PartState, Snapshot, StackFolder, StackState
from devstack.supervisor import Supervisor

_ANSWERS = """
import http.server, sys, os
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("the disk is full", flush=True)
            os._exit(3)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


class Stack:
    """A supervisor that runs in a thread of the test, with one service."""

    def __init__(self, folder: StackFolder, code: str = _ANSWERS) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.supervisor = Supervisor(folder)
        self.code: int | None = None
        self._script = code
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self.folder.held():
            self.code = self.supervisor.run(self._start)

    def _start(self, supervisor: Supervisor) -> dict[str, str]:
        command = [sys.executable, "-c", self._script, self.url.rsplit(":", 1)[1]]
        supervisor.together({"shop": lambda: supervisor.run_service("shop", command, {}, self.url)})
        return {"SHOP_URL": self.url}

    def until(self, holds: Callable[[Snapshot], bool]) -> Snapshot:
        deadline = time.monotonic() + 20
        while not holds(found := self.folder.read()):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def stop(self) -> None:
        self.supervisor.on_signal()
        self._thread.join(30)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def stack(path: Path, code: str = _ANSWERS) -> Iterator[Stack]:
    folder = StackFolder(path)
    folder.make()
    running = Stack(folder, code)
    try:
        yield running
    finally:
        running.stop()


def alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_stack_comes_up_and_leaves_nothing(tmp_path: Path) -> None:
    with stack(tmp_path) as running:
        up = running.until(lambda seen: seen.state is StackState.UP)
        assert up.environment == {"SHOP_URL": running.url}
        pid = up.parts["shop"].pid
        assert alive(pid)
    assert running.code == 0
    assert not alive(pid)
    assert running.folder.read().state is StackState.DOWN


def test_a_service_that_dies_is_named_and_started_anew(tmp_path: Path) -> None:
    with stack(tmp_path) as running:
        before = running.until(lambda seen: seen.state is StackState.UP).parts["shop"].pid
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{running.url}/die")
        said = running.until(lambda seen: seen.parts["shop"].state is PartState.RESTARTING)
        assert said.state is StackState.DEGRADED
        assert "shop died (exit code 3)" in said.parts["shop"].text
        assert "the disk is full" in said.parts["shop"].text
        after = running.until(lambda seen: seen.state is StackState.UP)
        assert after.parts["shop"].restarts == 1
        assert after.parts["shop"].pid != before


@pytest.mark.parametrize(
    ("code", "said"),
    [("print('no such plan'); raise SystemExit(4)", "no such plan"), ("1/0", "ZeroDivisionError")],
)
def test_a_service_that_does_not_start_ends_the_stack_with_its_last_lines(
    tmp_path: Path, code: str, said: str
) -> None:
    with stack(tmp_path, code) as running:
        failed = running.until(lambda seen: seen.state is StackState.FAILED)
        assert "shop ended while it started (exit code" in failed.error
        assert said in failed.error
    assert running.code == 1


def test_a_server_that_dies_takes_the_stack_with_it(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    folder.make()
    supervisor = Supervisor(folder)
    server: list[subprocess.Popen[bytes]] = []

    def start(given: Supervisor) -> dict[str, str]:
        path, out = folder.open_log("kafka")
        with out:
            server.append(subprocess.Popen([sys.executable, "-c", "print('out of memory')"], stdout=out))
        given.watch_server("kafka", server[0], path)
        return {}

    assert supervisor.run(start) == 1
    failed = folder.read()
    assert failed.state is StackState.FAILED
    assert "kafka died (exit code 0)" in failed.error
    assert "out of memory" in failed.error


def test_a_stop_ends_what_the_start_waits_for_and_what_it_has_started(tmp_path: Path) -> None:
    """A build that would take minutes, beside a server that has started and is not known to be up yet."""
    folder = StackFolder(tmp_path)
    folder.make()
    supervisor = Supervisor(folder)
    server: list[subprocess.Popen[bytes]] = []

    def build() -> None:
        while True:
            supervisor.progress("kubernetes", "builds")
            time.sleep(0.02)

    def end() -> None:
        for one in server:
            one.kill()
            one.wait()

    def serve() -> None:
        supervisor.at_end("kafka", end)
        server.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        supervisor.on_signal()
        server[0].wait()

    def start(given: Supervisor) -> dict[str, str]:
        given.together({"kubernetes": build, "kafka": serve})
        return {}

    assert supervisor.run(start) == 0
    assert server[0].poll() is not None
    assert folder.read().state is StackState.DOWN


def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    folder.make()

    def start(_given: Supervisor) -> dict[str, str]:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "kafka"))

    assert Supervisor(folder).run(start) == 1
    said = folder.read().error
    assert "kafka" in said
    assert f"The disk of {tmp_path} has" in said
    assert "set SLOTWRIGHT_STATE" in said
