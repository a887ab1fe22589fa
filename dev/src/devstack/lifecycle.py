"""Starts a stack's supervisor and ends it, and tells the person at the terminal how that goes.

Used by the command line and by the demo.
"""

import os
import signal
import subprocess
import sys
import time

from rich.console import Console

from devstack.progress import watch
from devstack.state import Snapshot, StackFolder, StackState

_STOP_SECONDS = 60.0


def start(folder: StackFolder, console: Console, *, detach: bool, port: int | None = None) -> int:
    """Starts the stack unless it is up, shows how it comes up; answers the exit code."""
    if folder.is_held():
        return _join(folder, console)
    try:
        folder.make()
        (folder.path / "stack.json").unlink(missing_ok=True)
        log = (folder.path / "supervisor.log").open("wb")
    except OSError as error:
        console.print(
            f"[red]{folder.path} cannot be used: {error.strerror}.[/] Set SLOTWRIGHT_STATE to a folder of yours."
        )
        return 1
    command = [sys.executable, "-m", "devstack", "supervise", *(["--port", str(port)] if port else [])]
    env = os.environ | {"SLOTWRIGHT_STATE": str(folder.path)}
    with log:
        child = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        seen = watch(folder, console, lambda: child.poll() is not None)
        if seen.state is not StackState.UP:
            child.wait()
            return _failed(folder, console)
        _show_up(seen, console)
        if detach:
            return 0
        console.print("Ctrl-C stops it.")
        _stay(folder, console, child)
    except KeyboardInterrupt:
        console.print("Stopping …")
        child.send_signal(signal.SIGTERM)
        child.wait()
        return 0
    return _failed(folder, console)


def stop(folder: StackFolder, console: Console) -> int:
    """Stops the stack and waits until nothing of it runs; answers the exit code."""
    if not folder.is_held():
        console.print("The stack is not up.")
        return 0
    os.kill(folder.read().pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while folder.is_held():
        if time.monotonic() > deadline:
            console.print(
                f"[red]It did not stop within {_STOP_SECONDS:.0f} s[/]: see {folder.path}/supervisor.log."
            )
            return 1
        time.sleep(0.1)
    console.print("The stack is down; its data stays for the next start.")
    return 0


def _join(folder: StackFolder, console: Console) -> int:
    """For a stack that another command has started: waits until it is up."""
    seen = watch(folder, console, lambda: not folder.is_held())
    if seen.state is StackState.UP:
        console.print("The stack is up already: `make status` shows it.")
        return 0
    console.print(f"The stack is {seen.state}: `make status` says why, `make down` ends it.", style="red")
    return 1


def _stay(folder: StackFolder, console: Console, child: subprocess.Popen[bytes]) -> None:
    """Tells of each component that dies or comes back, until the stack ends."""
    said: dict[str, str] = {}
    while child.poll() is None:
        for name, part in folder.read().parts.items():
            if part.text and said.get(name) != part.text:
                console.print(part.text, markup=False, highlight=False)
            said[name] = part.text
        time.sleep(0.2)


def _failed(folder: StackFolder, console: Console) -> int:
    seen = folder.read()
    said = seen.error or (folder.path / "supervisor.log").read_text("utf-8", "replace")
    console.print("The stack did not start." if said else "The stack has ended.", style="red")
    console.print(said.strip(), markup=False, highlight=False)
    return 1


def _show_up(seen: Snapshot, console: Console) -> None:
    console.print("[green]The stack is up.[/]")
    for name, value in seen.environment.items():
        console.print(f"  {name}={value}", markup=False, highlight=False)
