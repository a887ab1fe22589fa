"""Sends events to the webhook endpoint, signed as Stripe signs, with retries; and, on demand, badly.

Source of the signature: docs.stripe.com/webhooks#verify-manually. A refused delivery is tried again after 1, 2, 4 …
seconds (Stripe takes hours). The control API makes it hold deliveries back, repeat, reorder or lose them.
"""

import asyncio
import hmac
import json
import random
import time
from dataclasses import dataclass, field
from hashlib import sha256

import httpx

from stripe_standin.settings import StandinSettings
from stripe_standin.store import Object

_MAX_ATTEMPTS = 10
_MAX_PAUSE = 30.0


def sign(payload: bytes, secret: str, moment: int) -> str:
    """The Stripe-Signature header's value."""
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + payload, sha256)
    return f"t={moment},v1={mac.hexdigest()}"


@dataclass(slots=True)
class Delivery:
    """One event on its way; `due` is of the monotonic clock."""

    event: Object
    attempt: int = 0
    due: float = 0.0


@dataclass(slots=True)
class Mischief:
    """What goes wrong on purpose. `copies` more of each; `fail` and `lose` count the next ones down."""

    hold: bool = False
    copies: int = 0
    shuffle: bool = False
    fail: int = 0
    lose: int = 0


@dataclass(slots=True)
class Record:
    """What became of one attempt."""

    event_id: str
    type: str
    attempt: int
    status: int | None
    outcome: str


@dataclass(slots=True)
class Webhooks:
    """The queue of deliveries; `run` sends them until cancelled."""

    settings: StandinSettings
    mischief: Mischief = field(default_factory=Mischief)
    records: list[Record] = field(default_factory=list)
    _waiting: list[Delivery] = field(default_factory=list)
    _under_way: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, event: Object) -> None:
        """Queues an event as often as the mischief wants it; nothing when there is no endpoint."""
        if not self.settings.webhook_url:
            return
        if self.mischief.lose > 0:
            self.mischief.lose -= 1
            self._record(Delivery(event), None, "lost")
            return
        self._waiting += [Delivery(event) for _ in range(1 + self.mischief.copies)]
        self._changed.set()

    def release(self, order: str) -> int:
        """Lets what was held back go, `given`, `reversed` or `shuffled`; answers how many."""
        if order == "reversed":
            self._waiting.reverse()
        elif order == "shuffled":
            random.shuffle(self._waiting)
        self.mischief.hold = False
        self._changed.set()
        return len(self._waiting)

    def clear(self) -> None:
        self._waiting.clear()
        self.records.clear()
        self.mischief = Mischief()

    @property
    def waiting(self) -> int:
        """With the one that is under way: who sees none may go on as if all were in."""
        return len(self._waiting) + self._under_way

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=10) as client:
            while True:
                delivery = self._take()
                if delivery is None:
                    await self._pause()
                    continue
                self._under_way = True
                try:
                    await self._deliver(client, delivery)
                finally:
                    self._under_way = False

    def _take(self) -> Delivery | None:
        if self.mischief.hold:
            return None
        now = time.monotonic()
        ready = [delivery for delivery in self._waiting if delivery.due <= now]
        if not ready:
            return None
        chosen = random.choice(ready) if self.mischief.shuffle else ready[0]  # noqa: S311 - disorder, no secret
        self._waiting.remove(chosen)
        return chosen

    async def _pause(self) -> None:
        soonest = min((delivery.due for delivery in self._waiting), default=None)
        limit = 1.0 if soonest is None else max(0.01, min(1.0, soonest - time.monotonic()))
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), limit)
        except TimeoutError:
            return

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        delivery.attempt += 1
        body = json.dumps(delivery.event, indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(body, self.settings.webhook_secret, int(time.time())),
            "User-Agent": "Stripe/1.0 (stand-in)",
        }
        status = None
        if self.mischief.fail > 0:
            self.mischief.fail -= 1
        else:
            try:
                answer = await client.post(str(self.settings.webhook_url), content=body, headers=headers)
                status = answer.status_code
            except httpx.HTTPError:
                status = None
        if status is not None and 200 <= status < 300:
            delivery.event["pending_webhooks"] = 0
            self._record(delivery, status, "delivered")
            return
        if delivery.attempt >= _MAX_ATTEMPTS:
            self._record(delivery, status, "given up")
            return
        self._record(delivery, status, "failed")
        delivery.due = time.monotonic() + min(_MAX_PAUSE, 2.0 ** (delivery.attempt - 1))
        self._waiting.append(delivery)

    def _record(self, delivery: Delivery, status: int | None, outcome: str) -> None:
        event = delivery.event
        self.records.append(Record(event["id"], event["type"], delivery.attempt, status, outcome))
        del self.records[:-1000]
