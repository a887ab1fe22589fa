"""Starts a stack's supervisor and ends it, and tells the person at the terminal how that goes.

Used by the command line and by the demo.
"""

import os
import signal
import subprocess
import sys
import time

import psutil
from rich.console import Console

from devstack.errors import lacks_room, no_room
from devstack.progress import watch
from devstack.state import PartState, Snapshot, StackFolder, StackState

_STOP_SECONDS = 60.0
INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended, as shells have it."""


def start(folder: StackFolder, console: Console, *, detach: bool, port: int | None = None) -> int:
    """Starts the stack unless it is up, shows how it comes up; answers the exit code.

    Without `detach` it stays until Ctrl-C, or whatever else ends this process, and the stack ends with it.
    """
    if folder.is_held():
        return _join(folder, console)
    if refusal := _make(folder):
        console.print(refusal, style="red")
        return 1
    log = (folder.path / "supervisor.log").open("wb")
    command = [sys.executable, "-m", "devstack", "supervise", *(["--port", str(port)] if port else [])]
    env = os.environ | {"SLOTWRIGHT_STATE": str(folder.path)}
    with log:
        child = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    up, told = False, set[str]()
    try:
        seen = watch(folder, console, lambda: child.poll() is not None)
        up = seen.state is StackState.UP
        if up:
            _show_up(seen, console, port)
            if detach:
                return 0
            console.print("Ctrl-C stops it.")
            told = _stay(folder, console, child)
        child.wait()
    except KeyboardInterrupt:
        _interrupt(console, child)
        return 0 if up else INTERRUPTED
    if not up and folder.is_held():
        return _join(folder, console)  # with another command's, which was quicker
    return _ended(folder, console, child.returncode, told, was_up=up)


def stop(folder: StackFolder, console: Console) -> int:
    """Stops the stack and waits until nothing of it runs; answers the exit code."""
    if not folder.is_held():
        console.print("The stack is not up.")
        return 0
    deadline = time.monotonic() + _STOP_SECONDS
    told = 0
    while folder.is_held() or _runs(told):
        pid = folder.read().pid or told
        if folder.is_held() and pid and pid != told:  # none yet from a supervisor that has only just begun
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
            except PermissionError:
                console.print(f"[red]The stack is another user's[/]: process {pid}.")
                return 1
            told = pid
        if time.monotonic() > deadline:
            console.print(
                f"[red]It did not stop within {_STOP_SECONDS:.0f} s[/]: see {folder.path}/supervisor.log."
                f" `kill -9 {pid}` ends it and all that it started."
            )
            return 1
        time.sleep(0.1)
    console.print("The stack is down; its data stays for the next start.")
    return 0


def _runs(pid: int) -> bool:
    """Whether the process has still to end: one lets go of its folder a moment before."""
    try:
        return pid != 0 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _make(folder: StackFolder) -> str:
    """Makes the folder ready for a supervisor; answers why it cannot be used, if so."""
    try:
        folder.make()
        (folder.path / "stack.json").unlink(missing_ok=True)
        (folder.path / "supervisor.log").touch()
    except OSError as error:
        return f"{folder.path} cannot be used: {error.strerror}. Set SLOTWRIGHT_STATE to a folder of yours."
    return no_room(folder.path) if lacks_room(folder.path) else ""


def _join(folder: StackFolder, console: Console) -> int:
    """For a stack that another command has started: waits until it is up."""
    try:
        seen = watch(folder, console, lambda: not folder.is_held())
    except KeyboardInterrupt:
        console.print("It goes on starting; `make down` ends it.")
        return INTERRUPTED
    if seen.state is StackState.UP:
        console.print("The stack is up already: `make status` shows it.")
        return 0
    console.print(f"The stack is {seen.state}: `make status` says why, `make down` ends it.", style="red")
    return 1


def _stay(folder: StackFolder, console: Console, child: subprocess.Popen[bytes]) -> set[str]:
    """Tells of each component that dies or comes back, until the stack ends; answers what was told."""
    said: dict[str, str] = {}
    told: set[str] = set()
    while child.poll() is None:
        for name, part in folder.read().parts.items():
            if part.text and said.get(name) != part.text:
                console.print(part.text, markup=False, highlight=False)
                told.add(part.text)
            if said.get(name) and part.state is PartState.READY:
                console.print(f"{name} is ready again.", markup=False, highlight=False)
            said[name] = part.text
        time.sleep(0.2)
    return told


def _interrupt(console: Console, child: subprocess.Popen[bytes]) -> None:
    """Has the supervisor stop everything, and waits for it; a second Ctrl-C has the kernel do that."""
    console.print("Stopping …")
    child.send_signal(signal.SIGTERM)
    try:
        child.wait()
    except KeyboardInterrupt:
        child.kill()
        child.wait()


def _ended(folder: StackFolder, console: Console, code: int, told: set[str], *, was_up: bool) -> int:
    """Says why the stack is not up, or no more; 0 when somebody has stopped it."""
    seen = folder.read()
    if was_up and code == 0:
        console.print("The stack was stopped.")
        return 0
    console.print("The stack has ended." if was_up else "The stack did not start.", style="red")
    if seen.error in told:
        return 1
    said = seen.error.strip()
    if not said and code < 0:
        said = f"Its supervisor was killed by {signal.Signals(-code).name}; what it had started ends with it."
    said = said or (folder.path / "supervisor.log").read_text("utf-8", "replace").strip()
    console.print(said or "It was stopped.", markup=False, highlight=False)
    return 1


def _show_up(seen: Snapshot, console: Console, port: int | None) -> None:
    console.print("[green]The stack is up.[/]")
    for name, value in seen.environment.items():
        console.print(f"  {name}={value}", markup=False, highlight=False)
    if port and not seen.environment["SLOTWRIGHT_URL"].endswith(f":{port}"):
        console.print(
            f"Port {port} cannot be had (another program has it, or it is root's): the gateway has another."
        )
