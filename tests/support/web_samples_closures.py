"""What the services answer of time off, holidays and calendars, made as in support.web_samples."""

import datetime as dt
from typing import Any
from uuid import UUID

from booking.routes.busy_calendars import BusyCalendarAnswer
from booking.routes.feeds import FeedAnswer
from business.routes.closures import HolidaysAnswer, TimeOffAnswer
from contracts.business import Holiday
from servicekit.http.audit import ActorAnswer, EntityAnswer, EntryAnswer
from support.web_samples import ADA

OFF = UUID(int=60)
ELSEWHERE = "https://calendar.example/ada.ics"
FEED = "http://slotwright.test/v1/public/feeds/AAAA-secret.ics"


def time_off(starts_at: dt.datetime, ends_at: dt.datetime, off_id: UUID = OFF) -> dict[str, Any]:
    return TimeOffAnswer(id=off_id, starts_at=starts_at, ends_at=ends_at).model_dump(mode="json")


def holidays(*days: tuple[dt.date, str], version: int = 7) -> dict[str, Any]:
    listed = [Holiday(date=day, name=name) for day, name in days]
    return HolidaysAnswer(version=version, days=listed).model_dump(mode="json")


def busy_calendar(**changes: Any) -> dict[str, Any]:
    """One that was read at noon; in Lisbon, where Ada is, that is the same in winter."""
    noon = dt.datetime(2030, 1, 15, 12, tzinfo=dt.UTC)
    values: dict[str, Any] = {
        "staff_id": ADA,
        "url": ELSEWHERE,
        "last_fetch_at": noon,
        "last_success_at": noon,
        "failing_since": None,
        "fault": None,
        "busy_times": 14,
    }
    return BusyCalendarAnswer(**values | changes).model_dump(mode="json")


def feed() -> dict[str, Any]:
    return FeedAnswer(staff_id=ADA, url=FEED).model_dump(mode="json")


def entry(action: str, at: dt.datetime) -> dict[str, Any]:
    """Of booking's audit trail, about Ada's calendars."""
    return EntryAnswer(
        id=UUID(int=61),
        at=at,
        actor=ActorAnswer(kind="member", id=UUID(int=62)),
        request_id=None,
        action=action,
        entity=EntityAnswer(kind="staff", id=ADA),
        changes={},
    ).model_dump(mode="json")
