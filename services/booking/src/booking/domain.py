"""What booking knows and decides without a database: offers, resources, appointments and their states.

Pure. The catalog types mirror contracts.business, read from booking's own tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple
from uuid import UUID, uuid5

from contracts.booking import Channel, Consent
from contracts.business import Hours, HoursException, Question, ReminderRule, ResourceNeed
from servicekit.ical import EventStatus

_REMINDER_NAMESPACE = UUID("6f1d7c1e-6f0a-5a53-9a58-0d6c1f2b7a11")
_SESSION_NAMESPACE = UUID("b8a4a9b0-3a53-5d0e-8f0c-3f1f5f0d9c02")


class Status(StrEnum):
    """An appointment's state. pending and confirmed take their slot; the others do not."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    NO_SHOW = "no-show"


CancelledBy = Literal["customer", "staff", "system"]
"""`system`: the business had not confirmed it by its start."""

OPEN = frozenset({Status.PENDING, Status.CONFIRMED})

CALENDAR_STATUS: dict[Status, EventStatus] = {
    Status.PENDING: "TENTATIVE",
    Status.CONFIRMED: "CONFIRMED",
    Status.COMPLETED: "CONFIRMED",
    Status.NO_SHOW: "CONFIRMED",
    Status.CANCELLED: "CANCELLED",
}
"""How a calendar shows it; a cancelled one stays there as such."""
FEED_BACK = timedelta(days=60)
"""How far back a staff member's calendar feed reaches."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Somebody or something that an appointment takes; local hours in its own zone.

    `capacity` identical ones stand behind one resource, numbered by lanes. `closed_days` are the business's, which
    an exception for the date overrides; they close staff, and what has no staff is of no use.
    """

    resource_id: UUID
    name: str
    timezone: str
    weekly_hours: tuple[Hours, ...]
    exceptions: tuple[HoursException, ...]
    kind: Literal["staff", "resource"] = "staff"
    capacity: int = 1
    always_open: bool = False
    time_off: tuple[tuple[datetime, datetime], ...] = ()
    closed_days: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Offer:
    """A bookable service, as the catalog last told.

    An appointment takes `staff_count` of `resource_ids` at once, and of each need so many places.
    """

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
    staff_count: int = 1
    needs: tuple[ResourceNeed, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def takes_one(self) -> bool:
        """Whether one member of staff is all that it takes."""
        return self.staff_count == 1 and not self.needs

    @property
    def all_ids(self) -> tuple[UUID, ...]:
        """Whatever an appointment may take: staff, then what it needs beside."""
        return (*self.resource_ids, *(each for need in self.needs for each in need.resource_ids))

    def deciding_ids(self, wanted: UUID | None) -> tuple[UUID, ...]:
        """The resources whose time decides when it is free, with the staff member `wanted` or anyone."""
        return (wanted,) if wanted is not None and self.takes_one else self.all_ids

    @property
    def places(self) -> int:
        """How many lanes an appointment takes, of whomever and whatever."""
        return self.staff_count + sum(need.count for need in self.needs)

    def is_met_by(self, resource_ids: Sequence[UUID]) -> bool:
        """Whether places of these, each named as often as it has any, are what an appointment takes.

        A class's may be more: all that its session took when the service still asked for it.
        """
        return (
            sum(each in self.resource_ids for each in resource_ids) >= self.staff_count
            and all(
                sum(each in need.resource_ids for each in resource_ids) >= need.count for need in self.needs
            )
            and (self.capacity > 1 or len(resource_ids) == self.places)
        )

    def taken(self, starts_at: datetime) -> tuple[datetime, datetime]:
        """What an appointment at `starts_at` takes of its resource, buffers included."""
        return starts_at - self.buffer_before, starts_at + self.duration + self.buffer_after

    def session_id(self, lead_id: UUID, starts_at: datetime, owner_id: UUID) -> UUID:
        """Allocations of one session may overlap: the places of a class. Otherwise a session has one owner.

        A class's is named by the lead of its team: the member with the least id. Two sessions that run at once
        share nobody, so they have different leads.
        """
        if self.capacity == 1:
            return owner_id
        name = f"{self.service_id}/{lead_id}/{int(starts_at.timestamp())}"
        return uuid5(_SESSION_NAMESPACE, name)


class Busy(NamedTuple):
    """A range that a lane of a resource is taken for, with how many places of the session are."""

    resource_id: UUID
    session_id: UUID
    starts: datetime
    ends: datetime
    places: int
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as a request tells of them; who named no `locale` keeps theirs where they are known already."""

    name: str
    email: str | None
    phone: str | None
    locale: str | None
    consent: Consent


@dataclass(frozen=True, slots=True)
class Customer:
    """`notes` are the business's. Of an erased person the row stays, as appointments refer to it."""

    customer_id: UUID
    version: int
    name: str
    email: str | None
    phone: str | None
    locale: str
    consent: Consent
    notes: str = ""
    erased_at: datetime | None = None

    @property
    def reads_mail(self) -> bool:
        """Whether a mail may be sent, and where to is known."""
        return self.email is not None and self.consent.email


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to one of the service's questions, with the label as it was asked."""

    question_id: UUID
    label: str
    answer: str | bool


@dataclass(frozen=True, slots=True)
class Appointment:
    """`resource_ids` is everything that it takes, staff first.

    `version` counts what customers, calendars and readers of events see; `notes_version` edits of the notes.
    `cancelled_by` is None also where a release that did not keep it has cancelled.
    """

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
    answers: tuple[Answered, ...] = ()
    notes_version: int = 0
    series_id: UUID | None = None
    cancelled_by: CancelledBy | None = None

    @property
    def revision(self) -> int:
        """Rises by one with each change of either kind; what an edit by the business starts from."""
        return self.version + self.notes_version


@dataclass(frozen=True, slots=True)
class Hold:
    """A slot kept until `expires_at` for whoever is about to book it; staff first in `resource_ids`.

    `client` is the digest of its client's address (booking.clients); None for an offer to the waitlist.
    """

    hold_id: UUID
    service_id: UUID
    resource_ids: tuple[UUID, ...]
    starts_at: datetime
    expires_at: datetime
    client: bytes | None = None


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
