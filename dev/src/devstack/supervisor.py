"""Starts the parts of a stack, watches them, starts a service anew when it dies, and stops everything at the end.

Run by `python -m devstack supervise` in a session of its own; `up` and the demo watch it through `state`. A backing
server that dies ends the stack, with its last lines as the reason: nothing could go on without it.

Every process is started by a thread of one pool that lives as long as the supervisor: the kernel signals a child
when the *thread* that started it ends (PR_SET_PDEATHSIG), which is how nothing outlives a killed supervisor.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from devstack import processes
from devstack.errors import StackError, explain
from devstack.state import Part, PartState, Snapshot, StackFolder, StackState

_READY_SECONDS = 90.0
_STOP_SECONDS = 20.0
_TICK_SECONDS = 0.1
_LAST_LINES = 15
_RESTARTS = 5
_RESTART_WINDOW_SECONDS = 60.0


class Stopped(Exception):
    """A stop was asked for while the stack was starting."""


@dataclass
class Watched:
    """A process that the supervisor keeps an eye on."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready_url: str = ""
    again: Callable[[], "Watched"] | None = None
    """Starts it anew; None for a server without which nothing can go on."""
    deaths: list[float] = field(default_factory=list)
    retry_at: float | None = None


def last_lines(log: Path, count: int = _LAST_LINES) -> str:
    """The end of a log, for a message about who wrote it."""
    try:
        lines = log.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return "(it has written nothing)"
    return "\n".join(lines[-count:]) or "(it has written nothing)"


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Supervisor:
    """One running stack in `folder`. Its methods that start things are for the threads of `run`'s pool."""

    def __init__(self, folder: StackFolder) -> None:
        self._folder = folder
        self._snapshot = Snapshot(state=StackState.STARTING, pid=os.getpid())
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(max_workers=24, thread_name_prefix="start")
        self._watched: dict[str, Watched] = {}
        self._stop = threading.Event()
        self._at_end: list[tuple[str, Callable[[], None]]] = []

    def on_signal(self, *_args: object) -> None:
        """Handles SIGTERM and SIGINT."""
        self._stop.set()

    def run(self, start: Callable[["Supervisor"], dict[str, str]]) -> int:
        """Calls `start`, then watches until told to stop; answers the exit code. Leaves no process behind.

        `start` answers the environment that other programs need to work with the stack.
        """
        code = 0
        try:
            self._publish()
            environment = start(self)
            with self._lock:
                self._snapshot.environment = environment
                self._snapshot.state = StackState.UP
                self._publish()
            self._watch()
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it was, the one who waits has to read it
            code = 1
            self._snapshot.error = explain(error, self._folder.path)
        finally:
            self._end(failed=bool(code))
        return code

    # For `start`.

    def together(self, steps: Mapping[str, Callable[[], None]]) -> None:
        """Runs the steps at once and waits for all; the first failure is raised, as soon as it is there."""
        futures: dict[Future[None], str] = {
            self._pool.submit(self._step, name, step): name for name, step in steps.items()
        }
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=_TICK_SECONDS, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            self.go_on()

    def go_on(self) -> None:
        """Raises Stopped when a stop was asked for, StackError when a server has died meanwhile."""
        if self._stop.is_set():
            raise Stopped
        with self._lock:
            watched = list(self._watched.values())
        for one in watched:
            if one.process.poll() is not None and one.retry_at is None:
                self._died(one)

    def tell(self, name: str, state: PartState, text: str = "", **known: object) -> None:
        """Publishes how a component is doing."""
        with self._lock:
            part = self._snapshot.parts.setdefault(name, Part())
            part.state, part.text = state, text
            for key, value in known.items():
                setattr(part, key, value)
            self._publish()

    def progress(self, name: str, text: str) -> None:
        """Publishes what a component is waiting for. Raises Stopped once the stack is ending, to end that."""
        if self._stop.is_set():
            raise Stopped
        self.tell(name, PartState.PREPARING, text)

    def at_end(self, name: str, stop: Callable[[], None]) -> None:
        """`stop` is called when the stack ends; the last one first. It may be called before and after a start."""
        with self._lock:
            self._at_end.append((name, stop))

    def watch_server(self, name: str, process: subprocess.Popen[bytes], log: Path, url: str = "") -> None:
        """A backing server that has been started; the stack ends when it does."""
        with self._lock:
            self._watched[name] = Watched(name, process, log)
            part = self._snapshot.parts.setdefault(name, Part())
            part.pid, part.log, part.url = process.pid, str(log), url

    def run_service(
        self, name: str, command: Sequence[str], env: Mapping[str, str], url: str, ready: str = "/readyz"
    ) -> None:
        """Starts a process, waits until `ready` at `url` answers 200, and keeps it alive. Raises StackError."""

        def start() -> Watched:
            path, out = self._folder.open_log(name)
            with out:
                process = processes.start(command, out, {**os.environ, **env})
            self.tell(name, PartState.STARTING, pid=process.pid, url=url, log=str(path))
            return Watched(name, process, path, f"{url}{ready}", start)

        watched = start()
        with self._lock:
            self._watched[name] = watched
        self._await_ready(watched)

    # Inside.

    def _step(self, name: str, step: Callable[[], None]) -> None:
        began = time.monotonic()
        self.tell(name, PartState.STARTING)
        step()
        self.tell(name, PartState.READY, seconds=round(time.monotonic() - began, 1))

    def _await_ready(self, watched: Watched) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        last = "no answer"
        with httpx.Client(timeout=2) as client:
            while not self._stop.is_set():
                if watched.process.poll() is not None:
                    raise StackError(
                        f"{watched.name} ended while it started ({_how(watched.process.returncode)})."
                        f" Its last lines, from {watched.log}:\n{last_lines(watched.log)}"
                    )
                try:
                    answer = client.get(watched.ready_url)
                except httpx.TransportError as error:
                    last = str(error)
                else:
                    if answer.status_code == httpx.codes.OK:
                        return
                    last = answer.text.strip()
                if time.monotonic() > deadline:
                    raise StackError(
                        f"{watched.name} was not ready after {_READY_SECONDS:.0f} s ({last})."
                        f" Its last lines, from {watched.log}:\n{last_lines(watched.log)}"
                    )
                time.sleep(_TICK_SECONDS)
        raise Stopped

    def _watch(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            now = time.monotonic()
            with self._lock:
                watched = list(self._watched.values())
            for one in watched:
                if one.retry_at is not None:
                    if one.retry_at <= now:
                        self._start_anew(one)
                elif one.process.poll() is not None:
                    self._died(one)

    def _died(self, one: Watched) -> None:
        """A service gets another try, a little later each time; a server takes the stack with it."""
        what = (
            f"{one.name} died ({_how(one.process.returncode)})."
            f" Its last lines, from {one.log}:\n{last_lines(one.log)}"
        )
        if one.again is None:
            self.tell(one.name, PartState.DIED, what)
            raise StackError(what)
        now = time.monotonic()
        one.deaths = [at for at in one.deaths if now - at < _RESTART_WINDOW_SECONDS] + [now]
        if len(one.deaths) > _RESTARTS:
            with self._lock:
                del self._watched[one.name]
                self._snapshot.state = StackState.DEGRADED
            self.tell(one.name, PartState.DIED, f"{what}\nIt has died {len(one.deaths)} times: given up.")
            return
        one.retry_at = now + 0.5 * 2 ** (len(one.deaths) - 1)
        with self._lock:
            self._snapshot.state = StackState.DEGRADED
        self.tell(one.name, PartState.RESTARTING, what)

    def _start_anew(self, one: Watched) -> None:
        assert one.again is not None  # noqa: S101 - only such have a time to try again
        started: Watched = self._pool.submit(one.again).result()
        started.deaths = one.deaths
        with self._lock:
            self._watched[one.name] = started
            self._snapshot.parts[one.name].restarts += 1
        self._pool.submit(self._recover, started)

    def _recover(self, one: Watched) -> None:
        try:
            self._await_ready(one)
        except (StackError, Stopped):
            return  # the watch sees its end, and counts it
        self.tell(one.name, PartState.READY)
        with self._lock:
            if all(part.state is PartState.READY for part in self._snapshot.parts.values()):
                self._snapshot.state = StackState.UP
                self._publish()

    def _end(self, *, failed: bool) -> None:
        self._stop.set()
        with self._lock:
            self._snapshot.state = StackState.STOPPING
            self._publish()
        self._stop_all()
        # A start that was under way comes to its end now: with an error, or with a process that runs after all.
        self._pool.shutdown(cancel_futures=True)
        self._stop_all()
        with self._lock:
            self._snapshot.state = StackState.FAILED if failed else StackState.DOWN
            self._publish()

    def _stop_all(self) -> None:
        with self._lock:
            services = [one for one in self._watched.values() if one.again is not None]
            stops = list(reversed(self._at_end))
        for one in services:
            if one.process.poll() is None:
                one.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for one in services:
            try:
                one.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
            self.tell(one.name, PartState.STOPPED)
        for name, stop in stops:
            try:
                stop()
            except (subprocess.TimeoutExpired, OSError) as error:
                self._snapshot.error += f"\n{name} did not stop in time: {error}"
            self.tell(name, PartState.STOPPED)

    def _publish(self) -> None:
        """Nobody can be told where the disk is full; while the stack ends, that must not keep it from ending."""
        try:
            self._folder.write(self._snapshot)
        except OSError:
            if not self._stop.is_set():
                raise
