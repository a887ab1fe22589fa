"""The world of the stand-in: its objects, its clock, and the events it tells.

Handlers and the billing engine get one `World`. The clock is the real one plus what was skipped through the control
API, so that a month can pass in a test.
"""

import copy
import time
from collections.abc import Callable
from typing import Any, Literal

from stripe_standin.errors import ApiError
from stripe_standin.settings import API_VERSION, StandinSettings
from stripe_standin.store import Object, Store, new_id

_PREFIXES = {
    "cus": "customer",
    "sub": "subscription",
    "in": "invoice",
    "pm": "payment_method",
    "seti": "setup_intent",
    "price": "price",
    "prod": "product",
    "cs": "checkout.session",
}
_CLOCK = "_clock"


class World:
    """`on_event` is called with each new event, to be sent to the webhook endpoint."""

    def __init__(self, settings: StandinSettings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.on_event: Callable[[Object], None] = lambda _event: None
        self.request_id: str | None = None
        self.idempotency_key: str | None = None
        self.after_retries: Literal["canceled", "unpaid"] = "canceled"
        """What a subscription becomes that was not paid in the end: a setting of the account at Stripe."""
        self.caught_up: int | None = None
        """The second up to which all that was due has happened."""
        self._at: int | None = None

    @property
    def now(self) -> int:
        """The current second of the stand-in's clock."""
        return self._at if self._at is not None else int(time.time()) + self.skipped

    @property
    def skipped(self) -> int:
        """How many seconds the clock is ahead of the real one."""
        clock = self.store.find(_CLOCK, _CLOCK)
        return int(clock["skipped"]) if clock else 0

    def skip(self, seconds: int) -> None:
        self.store.put({"id": _CLOCK, "skipped": self.skipped + seconds}, _CLOCK)

    def at(self, moment: int | None) -> None:
        """Pins the clock while the engine replays what fell due; None lets it go on."""
        self._at = moment

    def emit(self, kind: str, thing: Object, previous: dict[str, Any] | None = None) -> Object:
        """Makes an event about the object as it stands now."""
        data: dict[str, Any] = {"object": copy.deepcopy(thing)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 1 if self.settings.webhook_url else 0,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": kind,
        }
        self.store.put(event)
        self.on_event(event)
        return event

    def change(self, kind: str, thing: Object, **fields: Any) -> Object:
        """Sets fields and tells `kind` with what they were; says nothing when none differs."""
        previous = {name: thing.get(name) for name, value in fields.items() if thing.get(name) != value}
        if previous:
            previous = copy.deepcopy(previous)
            thing.update(fields)
            self.store.put(thing)
            self.emit(kind, thing, previous)
        return thing

    def expand(self, answer: Object, paths: list[str]) -> Object:
        """A copy of the answer with the references at these dotted paths replaced by their objects."""
        expanded = copy.deepcopy(answer)
        for path in paths:
            self._expand(expanded, path.split("."), path)
        return expanded

    def _expand(self, thing: Any, parts: list[str], path: str) -> None:
        name, *rest = parts
        if isinstance(thing, list):
            for item in thing:
                self._expand(item, parts, path)
            return
        if not isinstance(thing, dict) or (name not in thing and thing):
            raise ApiError(f"This property cannot be expanded ({path}).", param="expand[]")
        value = thing.get(name)
        if isinstance(value, str):
            value = self._referenced(value, path)
            thing[name] = value
        if rest and value is not None:
            self._expand(value, rest, path)

    def _referenced(self, key: str, path: str) -> Object:
        kind = _PREFIXES.get(key.split("_", 1)[0])
        found = self.store.find(kind, key) if kind else None
        found = found or self.store.find("product", key)  # the one kind whose ids a client may choose
        found = found or self.store.find("_deleted_customer", key)  # of which Stripe shows that it was there
        if found is None:
            raise ApiError(f"This property cannot be expanded ({path}).", param="expand[]")
        return copy.deepcopy(found)
