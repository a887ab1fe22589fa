"""Shows how a stack comes up, from its snapshots: a live table on a terminal, a line a change elsewhere.

Used by `up` and the demo.
"""

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from devstack.memory import held_by
from devstack.state import Part, PartState, Snapshot, StackFolder, StackState

_LOOK_SECONDS = 0.1
_QUIET_SECONDS = 15.0
_COLOURS = {
    PartState.READY: "green",
    PartState.DIED: "red",
    PartState.RESTARTING: "red",
    PartState.PREPARING: "yellow",
    PartState.STARTING: "yellow",
}


def table(snapshot: Snapshot, *, details: bool = False) -> Table:
    """The stack's components and how each is doing; with `details` also processes, memory, addresses."""
    made = Table(box=None, pad_edge=False)
    for title in ("component", "state", "", *(("pid", "restarts", "MB", "url") if details else ())):
        made.add_column(title, overflow="fold", justify="right" if title == "MB" else "left")
    runs = details and snapshot.state not in {StackState.DOWN, StackState.FAILED}
    memory = {name: held_by(part.pid) for name, part in snapshot.parts.items() if runs and part.pid}
    for name, part in snapshot.parts.items():
        state = f"[{_COLOURS.get(part.state, 'dim')}]{part.state}[/]"
        cells = [name, state, escape(_text(part))]
        if details:
            size = memory.get(name, 0)
            cells += [str(part.pid or ""), str(part.restarts or ""), _megabytes(size), part.url]
        made.add_row(*cells)
    if runs:  # all are the supervisor's children
        made.add_row("in all", "", "", "", "", _megabytes(held_by(snapshot.pid)))
    return made


def watch(folder: StackFolder, console: Console, is_over: Callable[[], bool]) -> Snapshot:
    """Shows the start until the stack is up, has failed or `is_over`; answers the last snapshot."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            return _follow(folder, is_over, lambda seen: live.update(table(seen)))
    return _follow(folder, is_over, _Lines(console).show)


def _follow(folder: StackFolder, is_over: Callable[[], bool], show: Callable[[Snapshot], None]) -> Snapshot:
    while True:
        over = is_over()
        seen = folder.read()
        show(seen)
        if over or seen.state not in {StackState.STARTING, StackState.DOWN}:
            return seen
        time.sleep(_LOOK_SECONDS)


def _text(part: Part) -> str:
    text = part.text.splitlines()[0] if part.text else ""
    return f"{part.seconds:.1f} s" if part.state is PartState.READY and part.seconds else text


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.0f}" if size else ""


class _Lines:
    """One line for each change of state, and now and then one for what takes long."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: dict[str, tuple[PartState, float]] = {}

    def show(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        for name, part in snapshot.parts.items():
            state, at = self._said.get(name, (PartState.WAITING, now))
            if part.state is not state or (part.state is PartState.PREPARING and now - at > _QUIET_SECONDS):
                self._console.print(f"{name}: {part.state} {_text(part)}", markup=False, highlight=False)
                self._said[name] = (part.state, now)
