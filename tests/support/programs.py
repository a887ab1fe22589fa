"""Starts our programs as `python -m` does, but from a process that has imported what they use of others.

That import is most of a start, and the tests start some hundred programs. One process a session, which does nothing
else, imports once and forks for each start: what comes is a process of its own, which may be killed. Used by
`processes`, and by tests that start a program in another way than it; the benches start theirs from nothing.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from servicekit.reload import OTHERS

_OURS = ("contracts.registry", "servicekit.commands", "servicekit.runtime")
"""What every service begins with."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([*OTHERS, *_OURS, __name__, "support.frozen"])


class Process(Protocol):
    """What tests do with a process; as subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Program:
    """`python -m` of `command`, running; what it prints is appended to `out`, and its errors to `err` if given."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        out: Path,
        err: Path | None = None,
        *,
        main: Callable[[list[str], dict[str, str], str, str], None] | None = None,
    ) -> None:
        """`env` is added to ours. `main` has something to do first, and then calls `be`."""
        arguments = (list(command), dict(os.environ | env), str(out), str(err or out))
        # A daemon here is a child that does not outlive us.
        self._process = _FORKS.Process(target=main or be, args=arguments, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, or the signal's number negated; raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return self._process.exitcode

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def from_nothing(command: Sequence[str], env: Mapping[str, str], out: Path) -> Process:
    """The same by an interpreter of its own: for who measures the start, or what a process holds."""
    with out.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *command], env=os.environ | env, stdout=file, stderr=subprocess.STDOUT
        )


def be(command: list[str], env: dict[str, str], out: str, err: str) -> None:
    """In the new process: the program, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(env)
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, stream.fileno())
        os.close(file)
    sys.argv[:] = command
    # As the tests import what they find beside them, and a program must not.
    sys.path[:] = [entry for entry in sys.path if not entry.startswith(_TESTS)]
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


_TESTS = str(Path(__file__).parents[1])
