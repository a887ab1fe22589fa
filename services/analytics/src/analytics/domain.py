"""What a day's figures mean, and how they come from counts. Pure; used by routes, service, consumers and store.

A day is the business's local day, from midnight to midnight in its time zone.

- booked, cancelled: appointments booked, or cancelled, on that day, whenever they were to take place.
- completed, no_shows: appointments that were to start on that day, whenever the business marked them so.
- unsettled: confirmed appointments that were to start on that day and ended more than SETTLE_WITHIN ago, of which
  the business has marked neither as completed nor as no-show.
- no_shows is a proxy: those marked as no-show and, on a day of which the business has settled at least one
  appointment, the unsettled too. A business that settles its appointments leaves out those where nobody came more
  often than it marks them. One that never settles any tells nothing about who came: its unsettled do not count.
- reminders_sent, reminders_failed: reminders handed to the mail or SMS provider, or given up, on that day; their
  success rate is sent over both. A reminder that was held back (no consent, stale, out of quota) is in neither.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from contracts.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentEvent,
    AppointmentNoShow,
    AppointmentRescheduled,
)

MAX_DAYS = 366
DEFAULT_DAYS = 30
SETTLE_WITHIN = timedelta(hours=24)

STATUSES: dict[type[AppointmentEvent], str] = {
    AppointmentBooked: "open",
    AppointmentConfirmed: "open",
    AppointmentRescheduled: "open",
    AppointmentCancelled: "cancelled",
    AppointmentCompleted: "completed",
    AppointmentNoShow: "no_show",
}
"""How an appointment stands after each kind of event."""


def says_confirmed(event: AppointmentEvent) -> bool:
    """Whether the event tells that the business has accepted the appointment, which it never takes back."""
    if isinstance(event, AppointmentBooked):
        return event.confirmed
    return isinstance(event, AppointmentConfirmed | AppointmentCompleted | AppointmentNoShow)


@dataclass(frozen=True, slots=True)
class Span:
    """Days in a row, both ends included, in a time zone."""

    first: date
    last: date
    zone: str

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def midnights(self) -> list[datetime]:
        """The instants at which the days begin, and the one at which the last of them ends.

        Where the clock skips midnight, the day begins where the gap ends.
        """
        zone = ZoneInfo(self.zone)
        return [
            datetime.combine(day, time(0), zone).astimezone(UTC)
            for day in (*self.days, self.last + timedelta(days=1))
        ]


@dataclass(frozen=True, slots=True)
class Count:
    """How often something happened. `day` counts from 1; `what` is as in the query `counts`."""

    day: int
    what: str
    n: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day; see the module for what each figure means."""

    date: date
    booked: int
    cancelled: int
    completed: int
    no_shows: int
    unsettled: int
    reminders_sent: int
    reminders_failed: int

    @property
    def reminder_success_rate(self) -> float | None:
        """0 … 1, to four places; None without a reminder."""
        tried = self.reminders_sent + self.reminders_failed
        return round(self.reminders_sent / tried, 4) if tried else None


@dataclass(frozen=True, slots=True)
class Subscription:
    """The business's subscription as billing last told of it; `status` is Stripe's, `plan` a Plan's name."""

    status: str
    plan: str
    occurred_at: datetime


def figures(span: Span, counts: Iterable[Count]) -> list[DayFigures]:
    """One entry for each day of the span, in order; zeros where nothing happened."""
    found: dict[int, dict[str, int]] = {}
    for count in counts:
        found.setdefault(count.day, {})[count.what] = count.n
    return [_day(day, found.get(number, {})) for number, day in enumerate(span.days, start=1)]


def _day(day: date, found: Mapping[str, int]) -> DayFigures:
    completed, marked, unsettled = (found.get(what, 0) for what in ("completed", "no_show", "unsettled"))
    return DayFigures(
        date=day,
        booked=found.get("booked", 0),
        cancelled=found.get("cancelled", 0),
        completed=completed,
        no_shows=marked + (unsettled if completed + marked else 0),
        unsettled=unsettled,
        reminders_sent=found.get("sent", 0),
        reminders_failed=found.get("failed", 0),
    )
