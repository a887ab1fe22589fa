"""Requests at a steady rate, whatever the answers: an open loop.

Bounded in count, and to this machine's loopback alone. Used by tests/e2e.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp

Shot = Callable[[aiohttp.ClientSession, int], Coroutine[Any, Any, str]]
"""Sends one request and answers what came of it, in a word or two."""
_MOST = 60_000


@dataclass
class Load:
    """What came of the requests: outcome to number; `seconds` holds each one's time."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def failures(self) -> dict[str, int]:
        """All outcomes but `ok`."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "ok"}


@contextmanager
def under_load(base_url: str, rate: float, shot: Shot) -> Iterator[Load]:
    """Sends `rate` requests a second while the block runs; all have their outcome when it has ended."""
    load, stop = Load(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_run(base_url, rate, shot, load, stop)), daemon=True)
    thread.start()
    try:
        yield load
    finally:
        stop.set()
        thread.join(120)
        assert not thread.is_alive(), "the load did not end"


async def _run(base_url: str, rate: float, shot: Shot, load: Load, stop: threading.Event) -> None:
    # aiohttp, as httpx takes three times the CPU, which those who answer would lack on a machine that they share.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(base_url, connector=connector, timeout=timeout) as client:
        running: set[asyncio.Task[None]] = set()
        begun = time.monotonic()
        for number in range(_MOST):
            if stop.is_set():
                break
            task = asyncio.create_task(_one(client, number, shot, load))
            running.add(task)
            task.add_done_callback(running.discard)
            # The next one is due at a time that does not depend on this one's answer.
            await asyncio.sleep(max(0.0, begun + (number + 1) / rate - time.monotonic()))
        if running:
            await asyncio.wait(running)


async def _one(client: aiohttp.ClientSession, number: int, shot: Shot, load: Load) -> None:
    begun = time.monotonic()
    try:
        outcome = await shot(client, number)
    except (aiohttp.ClientError, TimeoutError) as error:
        outcome = f"{type(error).__name__}: {error}"
    load.seconds.append(time.monotonic() - begun)
    load.outcomes[outcome] += 1


def reading(path: str) -> Shot:
    """A GET that should answer 200."""

    async def shot(client: aiohttp.ClientSession, _number: int) -> str:
        async with client.get(path) as answer:
            said = await answer.text()
            return "ok" if answer.status == 200 else f"{answer.status} {said[:200]}"

    return shot


class Bookings:
    """Each request books the next free time of one member of staff, for a customer of its own.

    `patient` clients try again, under the same Idempotency-Key, as long as the answer is no decision.
    """

    def __init__(self, slug: str, service_id: str, staff_id: str, *, minutes: int, patient: bool) -> None:
        self._path = f"/v1/public/{slug}/appointments"
        self._wish = {"service_id": service_id, "staff_id": staff_id, "consent": {"email": True}}
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        # Still to come when a midnight passes.
        self._first, self._step = today + timedelta(days=2), timedelta(minutes=minutes)
        self._patient = patient
        self.booked: dict[str, str] = {}
        """Appointment's id to its customer's address."""

    async def shot(self, client: aiohttp.ClientSession, number: int) -> str:
        email = f"c{number}.{uuid4().hex[:12]}@customers.example"
        wish = {
            **self._wish,
            "starts_at": (self._first + number * self._step).isoformat(),
            "customer": {"name": f"Customer {number}", "email": email},
        }
        headers = {"Idempotency-Key": uuid4().hex}
        deadline = time.monotonic() + 180
        while True:
            try:
                async with client.post(self._path, json=wish, headers=headers) as answer:
                    text = await answer.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                decided, said = False, f"{type(error).__name__}: {error}"
            else:
                if answer.status == 201:
                    self.booked[json.loads(text)["id"]] = email
                    return "ok"
                decided = answer.status < 500 and answer.status != 429
                said = f"{answer.status} {text[:300]}"
            if decided or not self._patient or time.monotonic() > deadline:
                return said
            await asyncio.sleep(0.5)
