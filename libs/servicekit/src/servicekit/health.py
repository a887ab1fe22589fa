"""Whether the process lives and whether it can serve.

Liveness follows the loops: each loop beats as it turns, and a loop that has not beaten for its limit, or that
has ended, makes `/healthz` answer 503, so that Kubernetes restarts the pod. Readiness asks for what a request
needs: database, keys, read models.
"""

import time
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Answers None when ready, else a sentence naming what is missing."""


class Heartbeat:
    """One loop's pulse. The loop calls `beat` each time it turns; `limit` is in seconds."""

    def __init__(self, name: str, *, limit: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.limit = limit
        self._monotonic = monotonic
        self._last = monotonic()
        self._ended: str | None = None

    def beat(self) -> None:
        self._last = self._monotonic()

    def end(self, reason: str) -> None:
        """The loop has stopped for good; liveness fails from now on."""
        self._ended = reason

    def fault(self) -> str | None:
        """None while the loop turns, else a sentence."""
        if self._ended is not None:
            return f"{self.name} has ended: {self._ended}"
        age = self._monotonic() - self._last
        return f"{self.name} has not turned for {age:.0f} s" if age > self.limit else None


class Health:
    """All heartbeats and readiness checks of a process."""

    def __init__(self) -> None:
        self._beats: list[Heartbeat] = []
        self._checks: list[ReadinessCheck] = []
        self._told: list[str] | None = None

    def heartbeat(self, name: str, *, limit: float = 60) -> Heartbeat:
        beat = Heartbeat(name, limit=limit)
        self._beats.append(beat)
        return beat

    def require(self, check: ReadinessCheck) -> None:
        self._checks.append(check)

    def faults(self) -> list[str]:
        """What makes the process dead; empty when it lives."""
        return [fault for beat in self._beats if (fault := beat.fault())]

    async def missing(self) -> list[str]:
        """What keeps the process from serving; empty when it is ready. The log tells each change of it once."""
        answers = [await check() for check in self._checks]
        missing = self.faults() + [answer for answer in answers if answer]
        if missing != self._told:
            self._told = missing
            if missing:
                log.warning("not ready", missing=missing)
            else:
                log.info("ready")
        return missing
