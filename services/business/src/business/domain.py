"""What a business consists of, and the rules that need no database.

Pure: used by the store (rows become these), the service layer and the routes' answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID

from contracts.booking import Channel
from contracts.business import (
    Holiday,
    Hours,
    HoursException,
    Interval,
    Question,
    ReminderRule,
    ResourceNeed,
    TimeOff,
)

_MIDNIGHT = time(0)

MAX_EXCEPTIONS = 500
"""At most for one staff member: its event holds them all, and has to fit into one Kafka message."""

MAX_TIME_OFF = 200
"""At most for one staff member, for the same reason."""

MAX_BACKDATING = timedelta(days=31)
"""How long ago a time off that is entered may have begun."""

MAX_RESOURCES = 500
"""At most for one business."""

MAX_HOLIDAYS = 500
"""At most for one business; about as many as any country has in three years."""

DEFAULT_REMINDERS: tuple[tuple[int, Channel], ...] = ((24 * 3600, Channel.EMAIL), (3600, Channel.EMAIL))
"""A new business's reminder policy: offsets in seconds before the start, and the channel."""


@dataclass(frozen=True, slots=True)
class Profile:
    version: int
    display_name: str
    description: str
    contact_email: str | None
    contact_phone: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class StaffMember:
    staff_id: UUID
    version: int
    name: str
    email: str | None
    timezone: str
    weekly_hours: tuple[Hours, ...]
    exceptions: tuple[HoursException, ...]
    time_off: tuple[TimeOff, ...] = ()


@dataclass(frozen=True, slots=True)
class StaffName:
    """What anyone may see of a staff member."""

    staff_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A room, a chair, a device; `capacity` identical ones. Without `weekly_hours` it is always open."""

    resource_id: UUID
    version: int
    name: str
    timezone: str
    capacity: int
    weekly_hours: tuple[Hours, ...] | None
    exceptions: tuple[HoursException, ...]


@dataclass(frozen=True, slots=True)
class Holidays:
    """The business's closed days, by date."""

    version: int
    days: tuple[Holiday, ...]


@dataclass(frozen=True, slots=True)
class ServiceOffer:
    """A service in the catalog. Minutes, days, and minor units of the business's currency."""

    service_id: UUID
    version: int
    name: str
    description: str
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    slot_step_minutes: int
    minimum_notice_minutes: int
    booking_window_days: int
    cancellation_window_minutes: int
    capacity: int
    requires_confirmation: bool
    price_amount: int
    staff_ids: tuple[UUID, ...]
    staff_count: int = 1
    needs: tuple[ResourceNeed, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class ReminderPolicy:
    version: int
    rules: tuple[ReminderRule, ...]


def interval_fault(intervals: Sequence[Interval | Hours]) -> str | None:
    """Why these intervals of one day cannot stand together, or None.

    `closes` must lie behind `opens`, where 00:00 as `closes` is the day's end; intervals may touch, not overlap.
    """
    spans = sorted((item.opens, item.closes) for item in intervals)
    for opens, closes in spans:
        if closes != _MIDNIGHT and closes <= opens:
            return f"{opens:%H:%M}–{closes:%H:%M} ends before it begins"
    for (_, closes), (opens, _) in pairwise(spans):
        if closes == _MIDNIGHT or opens < closes:
            return f"the interval that opens at {opens:%H:%M} overlaps the one before it"
    return None


def weekly_hours_fault(hours: Sequence[Hours]) -> str | None:
    """Why these weekly hours cannot stand, or None."""
    for weekday in sorted({item.weekday for item in hours}):
        fault = interval_fault([item for item in hours if item.weekday == weekday])
        if fault:
            return f"weekday {weekday}: {fault}"
    return None


def with_exception(
    exceptions: Sequence[HoursException], day: date, intervals: Sequence[Interval] | None
) -> tuple[HoursException, ...]:
    """The exceptions with one day's replaced, or removed when `intervals` is None; by date."""
    others = [item for item in exceptions if item.date != day]
    if intervals is not None:
        others.append(HoursException(date=day, intervals=list(intervals)))
    return tuple(sorted(others, key=lambda item: item.date))


def exceptions_fault(exceptions: Sequence[HoursException]) -> str | None:
    """Why these exceptions cannot stand together, or None."""
    if len({item.date for item in exceptions}) != len(exceptions):
        return "a date stands there twice"
    for item in exceptions:
        if fault := interval_fault(item.intervals):
            return f"{item.date}: {fault}"
    return None


def with_holidays(present: Sequence[Holiday], added: Sequence[Holiday]) -> tuple[Holiday, ...]:
    """Both, by date; a date that stands in both has its new name."""
    return tuple(
        sorted({item.date: item for item in (*present, *added)}.values(), key=lambda item: item.date)
    )


def time_off_fault(starts_at: datetime, ends_at: datetime, now: datetime) -> tuple[str, str] | None:
    """Which field is wrong and why, or None. It may have begun: on Wednesday somebody may be ill since Monday."""
    if starts_at < now - MAX_BACKDATING:
        return "/starts_at", f"lies more than {MAX_BACKDATING.days} days in the past"
    if ends_at <= starts_at:
        return "/ends_at", "must lie behind starts_at"
    return ("/ends_at", "lies in the past") if ends_at <= now else None
