"""What one local stack keeps between commands: where its files are, its ports and secrets, and how it is doing.

One folder is one stack, so two folders are two stacks that run beside each other. `supervisor` writes it, the
command line and the demo read it. Nothing here outlives the folder: remove it and the next start is a first one.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import RLock
from typing import IO, Any

from devstack.processes import Claims


class StackState(StrEnum):
    STARTING = "starting"
    UP = "up"
    DEGRADED = "degraded"
    STOPPING = "stopping"
    FAILED = "failed"
    DOWN = "down"


class PartState(StrEnum):
    """Of one component: a server, a service, or a step of the start such as `databases`."""

    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    DIED = "died"
    STOPPED = "stopped"


@dataclass
class Part:
    """How a component is doing. `text` is for a person: what is being built, why it died."""

    state: PartState = PartState.WAITING
    text: str = ""
    pid: int | None = None
    url: str = ""
    log: str = ""
    restarts: int = 0
    seconds: float = 0.0


@dataclass
class Snapshot:
    """What `stack.json` holds; a reader sees a whole one always."""

    state: StackState = StackState.DOWN
    error: str = ""
    pid: int = 0
    parts: dict[str, Part] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


class StackFolder:
    """The folder of one stack. Others may pass through it: PostgreSQL may run as another user."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or Path(os.environ.get("SLOTWRIGHT_STATE") or ".dev")).absolute()
        self._claims = Claims()
        # Steps of a start run beside each other, in threads of one supervisor.
        self._writing = RLock()

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    def make(self) -> None:
        """Makes the folders. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.logs.mkdir(exist_ok=True)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Whether the stack is ours for the time of the block: one supervisor at a time."""
        with (self.path / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def is_held(self) -> bool:
        """Whether a supervisor lives; the lock goes with its process, however that ends."""
        if not (self.path / "lock").exists():
            return False
        with self.held() as ours:
            return not ours

    def write(self, snapshot: Snapshot) -> None:
        self._replace("stack.json", asdict(snapshot))

    def read(self) -> Snapshot:
        """The last snapshot; a stack whose supervisor is gone without a word is down."""
        try:
            body = json.loads((self.path / "stack.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):  # never begun, or broken by a machine that went down
            return Snapshot()
        parts = {
            name: Part(**{**part, "state": PartState(part["state"])}) for name, part in body["parts"].items()
        }
        snapshot = Snapshot(StackState(body["state"]), body["error"], body["pid"], parts, body["environment"])
        if snapshot.state is not StackState.FAILED and not self.is_held():
            snapshot.state = StackState.DOWN
        return snapshot

    def secret(self, name: str, make: Callable[[], str] | None = None) -> str:
        """The secret of that name, made on first use."""
        with self._writing:
            kept = self._load("secrets.json")
            if name not in kept:
                kept[name] = (make or (lambda: secrets.token_urlsafe(32)))()
                self._replace("secrets.json", kept)
            return str(kept[name])

    def port(self, name: str, preferred: int = 0, *, wanted: int | None = None) -> int:
        """The port `wanted`, else that `name` had last time, else the preferred; another where that is taken.

        It is kept for next time, and from other stacks until this process ends.
        """
        with self._writing:
            kept = self._load("ports.json")
            taken = {number for other, number in kept.items() if other != name}
            port = self._claims.take(int(wanted or kept.get(name) or preferred))
            while port in taken:
                port = self._claims.take()
            if kept.get(name) != port:
                kept[name] = port
                self._replace("ports.json", kept)
            return port

    def open_log(self, name: str) -> tuple[Path, IO[bytes]]:
        """A fresh log; that of the start before is kept beside it."""
        path = self.logs / f"{name}.log"
        if path.exists():
            path.replace(self.logs / f"{name}.log.1")
        return path, path.open("ab")

    def _load(self, name: str) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return kept

    def _replace(self, name: str, body: dict[str, Any]) -> None:
        path = self.path / name
        half = path.with_suffix(".half")
        with self._writing:
            half.touch(mode=0o600)
            half.write_text(json.dumps(body, indent=1), "utf-8")
            half.replace(path)
