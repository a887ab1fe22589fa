"""What an endpoint and a delivery are, and what is decided about them: when to try again, when to give up.

Pure: the callers give what is known, the time and the jitter. Used by the rest of notification.webhooks, and by
the audit trail, drafts and letters of notification.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from uuid import UUID

from contracts.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentEvent,
    AppointmentNoShow,
    AppointmentRescheduled,
)
from contracts.notification import MessageEvent, MessageFailed, MessageSent

MAX_ENDPOINTS = 10
MAX_SECRETS = 5
"""Of one endpoint, signing at a time; nobody needs to rotate a secret more often than that in a day."""
ROTATION = timedelta(hours=24)
"""How long a replaced secret goes on signing."""
GIVE_UP_ENDPOINT = timedelta(days=5)
OWNER_TOLD_FOR = timedelta(days=7)
"""How long a mail about a disabled endpoint is tried: it is news for as long as the endpoint is not changed."""
ENDPOINT_DISABLED = "EndpointDisabled"
"""Why a delivery has failed that was queued, or would have been tried again, when its endpoint was disabled."""
FAILED_AT_ONCE = 1000
"""How many of those are marked in the request that enables an endpoint; the sweep marks the rest."""
KEPT_DAYS = 30
RESPONSE_BYTES = 1024
"""How much of an answer is kept for the log."""

PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""After each failed attempt: the schedule that Standard Webhooks gives as its example, 75 hours in all."""
_LONGEST_RETRY_AFTER = timedelta(hours=24)
_JITTER = 0.1

_GONE = 410


class EventType(StrEnum):
    """What an endpoint may ask for. A change that would break a reader becomes a new type."""

    APPOINTMENT_BOOKED = "appointment.booked"
    APPOINTMENT_CONFIRMED = "appointment.confirmed"
    APPOINTMENT_RESCHEDULED = "appointment.rescheduled"
    APPOINTMENT_CANCELLED = "appointment.cancelled"
    APPOINTMENT_COMPLETED = "appointment.completed"
    APPOINTMENT_NO_SHOW = "appointment.no_show"
    MESSAGE_SENT = "message.sent"
    MESSAGE_FAILED = "message.failed"


ALL_EVENTS = "*"
TEST = "webhook.test"
"""The type of a delivery that its owner asks for, to see whether it arrives."""

TYPES: dict[type[AppointmentEvent] | type[MessageEvent], EventType] = {
    AppointmentBooked: EventType.APPOINTMENT_BOOKED,
    AppointmentConfirmed: EventType.APPOINTMENT_CONFIRMED,
    AppointmentRescheduled: EventType.APPOINTMENT_RESCHEDULED,
    AppointmentCancelled: EventType.APPOINTMENT_CANCELLED,
    AppointmentCompleted: EventType.APPOINTMENT_COMPLETED,
    AppointmentNoShow: EventType.APPOINTMENT_NO_SHOW,
    MessageSent: EventType.MESSAGE_SENT,
    MessageFailed: EventType.MESSAGE_FAILED,
}


class DisabledFor(StrEnum):
    """Why nothing goes to an endpoint."""

    GONE = "gone"
    FAILING = "failing"
    OWNER = "owner"


class DeliveryStatus(StrEnum):
    """`queued` and `sending` are on their way; the others are final, unless it is resent."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL of a business's that gets webhooks, of the types in `events`."""

    tenant_id: UUID
    endpoint_id: UUID
    version: int
    url: str
    events: tuple[str, ...]
    description: str
    disabled_reason: DisabledFor | None
    disabled_at: datetime | None
    failing_since: datetime | None
    """When the first attempt failed after the last that succeeded; None while none has."""
    created_at: datetime

    @property
    def enabled(self) -> bool:
        return self.disabled_reason is None

    def disabled_since(self, moment: datetime) -> bool:
        """Whether it was disabled for failing, or gone, at that moment, and has not been enabled or moved since.

        Either ends `failing_since`, which nothing else does while it is disabled.
        """
        return self.disabled_at == moment and self.failing_since is not None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event to one endpoint, as it is stored. `tries` counts the attempts of the present schedule."""

    tenant_id: UUID
    delivery_id: UUID
    endpoint_id: UUID
    webhook_id: str
    type: str
    body: str
    status: DeliveryStatus
    reason: str | None
    queued_at: datetime
    next_attempt_at: datetime
    attempts: int
    tries: int
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a delivery. Without `milliseconds` it is under way, or its sender has died."""

    number: int
    began_at: datetime
    milliseconds: int | None
    http_status: int | None
    error: str | None
    response: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an attempt: a status, or an error where there was no answer."""

    http_status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: timedelta | None = None

    @property
    def delivered(self) -> bool:
        return self.http_status is not None and 200 <= self.http_status < 300

    @property
    def reason(self) -> str:
        """Why it was no delivery."""
        return self.error or f"HTTP {self.http_status}"


@dataclass(frozen=True, slots=True)
class Delivered:
    """It has arrived."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again then."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """It is given up; `disables` says why the endpoint is to be disabled too, None if it is not."""

    reason: str
    disables: DisabledFor | None = None


def decide(
    reply: Reply,
    tries: int,
    pauses: Sequence[timedelta],
    failing_since: datetime | None,
    now: datetime,
    jitter: float,
    *,
    moved: bool = False,
) -> Delivered | Retry | Failed:
    """What becomes of a delivery after the nth attempt of its schedule, which has `pauses` between attempts.

    `failing_since` is the endpoint's, before this attempt; `jitter` lies between -1 and 1. An endpoint is disabled
    as failing only by a delivery that has failed before: one failure after days without deliveries is not enough.
    An attempt says nothing about an endpoint that has `moved` since to another address.
    """
    if reply.delivered:
        return Delivered()
    if not moved:
        if reply.http_status == _GONE:
            return Failed(reply.reason, DisabledFor.GONE)
        if failing_since is not None and now - failing_since >= GIVE_UP_ENDPOINT and tries > 1:
            return Failed(reply.reason, DisabledFor.FAILING)
    if tries > len(pauses):
        return Failed(reply.reason)
    pause = pauses[tries - 1] * (1 + _JITTER * jitter)
    if reply.retry_after is not None:
        pause = max(pause, min(reply.retry_after, _LONGEST_RETRY_AFTER))
    return Retry(now + pause)


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """What Retry-After asks for (RFC 9110 §10.2.3): seconds or a date. None for what is neither, or is past."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**8))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a zone of more hours than fit in a number
        return None
    pause = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return pause if pause > timedelta() else None


def readable(response: bytes) -> str:
    """The beginning of an answer as text that can be stored and shown."""
    text = response[:RESPONSE_BYTES].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
