"""What booking knows and decides without a database: offers, resources, appointments and their states.

Pure. The catalog types mirror contracts.business, read from booking's own tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from contracts.booking import Channel, Consent
from contracts.business import Hours, HoursException, ReminderRule

_REMINDER_NAMESPACE = UUID("6f1d7c1e-6f0a-5a53-9a58-0d6c1f2b7a11")
_SESSION_NAMESPACE = UUID("b8a4a9b0-3a53-5d0e-8f0c-3f1f5f0d9c02")


class Status(StrEnum):
    """An appointment's state. pending and confirmed take their slot; the others do not."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    NO_SHOW = "no-show"


OPEN = frozenset({Status.PENDING, Status.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Resource:
    """Somebody (later: something) that an appointment takes; local hours in its own zone."""

    resource_id: UUID
    name: str
    timezone: str
    weekly_hours: tuple[Hours, ...]
    exceptions: tuple[HoursException, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A bookable service, as the catalog last told."""

    service_id: UUID
    name: str
    duration: timedelta
    buffer_before: timedelta
    buffer_after: timedelta
    slot_step: timedelta
    minimum_notice: timedelta
    booking_window: timedelta
    cancellation_window: timedelta
    capacity: int
    requires_confirmation: bool
    price_amount: int
    currency: str
    resource_ids: tuple[UUID, ...]

    def taken(self, starts_at: datetime) -> tuple[datetime, datetime]:
        """What an appointment at `starts_at` takes of its resource, buffers included."""
        return starts_at - self.buffer_before, starts_at + self.duration + self.buffer_after

    def session_id(self, resource_id: UUID, starts_at: datetime, owner_id: UUID) -> UUID:
        """Allocations of one session may overlap: the places of a class. Otherwise a session has one owner."""
        if self.capacity == 1:
            return owner_id
        name = f"{self.service_id}/{resource_id}/{int(starts_at.timestamp())}"
        return uuid5(_SESSION_NAMESPACE, name)


@dataclass(frozen=True, slots=True)
class Busy:
    """A range that a resource is taken for, with how many places of the session are."""

    resource_id: UUID
    session_id: UUID
    starts: datetime
    ends: datetime
    places: int


@dataclass(frozen=True, slots=True)
class Customer:
    customer_id: UUID
    version: int
    name: str
    email: str | None
    phone: str | None
    locale: str
    consent: Consent


@dataclass(frozen=True, slots=True)
class Appointment:
    appointment_id: UUID
    version: int
    status: Status
    service_id: UUID
    resource_ids: tuple[UUID, ...]
    customer_id: UUID
    starts_at: datetime
    ends_at: datetime
    timezone: str
    price_amount: int
    currency: str
    source: str
    notes: str
    created_at: datetime
    series_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A slot kept for somebody who is still typing."""

    hold_id: UUID
    service_id: UUID
    resource_id: UUID
    starts_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Reminder:
    """A reminder that the scheduler was asked for and that has not been withdrawn."""

    reminder_id: UUID
    rule_id: UUID
    channel: Channel
    due_at: datetime


def reminders_for(
    appointment_id: UUID, version: int, starts_at: datetime, rules: Sequence[ReminderRule], now: datetime
) -> list[Reminder]:
    """The reminders that an appointment's version asks for; times already past ask for none."""
    wanted = []
    for rule in rules:
        due_at = starts_at - timedelta(seconds=rule.offset_seconds)
        if due_at > now:
            name = f"{appointment_id}/{version}/{rule.rule_id}"
            wanted.append(Reminder(uuid5(_REMINDER_NAMESPACE, name), rule.rule_id, rule.channel, due_at))
    return wanted
