"""Writes a run's history as it happens: one JSON record a line, each with its time on one monotonic clock."""

import json
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class History:
    """`history.jsonl` in a folder. Any thread may write; an operation's number is its place among the invoked."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "history.jsonl").open("w", encoding="utf-8")
        self._lock = threading.Lock()
        self._kinds: list[str] = []
        self._granted: Counter[str] = Counter()
        self._began = time.monotonic()
        self.epoch = time.time()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    @property
    def operations(self) -> int:
        """How many were invoked."""
        return len(self._kinds)

    @property
    def granted(self) -> int:
        """How many were answered `ok`."""
        return self._granted.total()

    def granted_of(self, kind: str) -> int:
        """How many of a kind were."""
        return self._granted[kind]

    def at(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def setup(self, **told: Any) -> None:
        """What the checker has to know of the run; once."""
        self._write({"type": "setup", "epoch": self.epoch} | told)

    def invoke(self, kind: str, tenant: str, args: dict[str, Any]) -> int:
        """An operation is about to be sent; its number."""
        with self._lock:
            number = len(self._kinds)
            self._kinds.append(kind)
            self._line({"type": "invoke", "op": number, "kind": kind, "tenant": tenant, "args": args})
        return number

    def outcome(
        self,
        number: int,
        outcome: str,
        *,
        status: int | None = None,
        problem: str | None = None,
        answer: Any = None,
    ) -> None:
        """`ok`, `refused` or `unknown`; an unknown one may take effect later."""
        told = {"outcome": outcome, "status": status, "problem": problem, "answer": answer}
        with self._lock:
            self._granted[self._kinds[number]] += outcome == "ok"
            self._line({"type": "outcome", "op": number} | told)

    def fault(self, what: str, target: str, *, mail: str | None = None) -> None:
        """`mail` is the Message-ID, up to its `@`, of the one mail that it struck."""
        told = {"mail": mail} if mail is not None else {}
        self._write({"type": "fault", "what": what, "target": target} | told)

    def known(self, told: dict[str, Any], since: float, until: float) -> None:
        """Booking went by that version of a service, of somebody or of a policy, surely between the two moments."""
        self._write({"type": "known", "since": since, "until": until} | told)

    def mark(self, what: str, **told: Any) -> None:
        self._write({"type": "mark", "what": what} | told)

    def flush(self) -> None:
        """What was written can be read."""
        self._file.flush()

    def _write(self, record: dict[str, Any]) -> None:
        with self._lock:
            self._line(record)

    def _line(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record | {"at": round(self.at(), 6)}) + "\n")
