"""What booking answers to whoever books for somebody, made with its own models."""

import datetime as dt
from typing import Any
from uuid import UUID

from booking.routes.models import AppointmentAnswer, CustomerAnswer
from booking.routes.series import RestAnswer, SeriesAnswer, SkippedAnswer
from contracts.booking import Consent
from support import web_samples as samples

SERIES = UUID(int=50)
WEEK = dt.timedelta(days=7)


def known(**changes: Any) -> dict[str, Any]:
    """A customer who has been here before."""
    values: dict[str, Any] = {
        "id": samples.CUSTOMER,
        "version": 1,
        "name": "Lin <Chen>",
        "email": "lin@example.com",
        "phone": "+351912345678",
        "locale": "pt",
        "consent": Consent(email=True, sms=False),
        "notes": "",
        "erased_at": None,
    }
    return CustomerAnswer(**values | changes).model_dump(mode="json")


def weekly(first: dt.datetime, count: int = 3, **changes: Any) -> list[dict[str, Any]]:
    """Appointments of a series, a week apart; each has an id of its own, the first that of the other samples."""
    return [
        samples.appointment(
            first + place * WEEK,
            **{"id": samples.APPOINTMENT if not place else UUID(int=60 + place), "series_id": SERIES}
            | changes,
        )
        for place in range(count)
    ]


def booked_series(
    appointments: list[dict[str, Any]], *skipped: dt.datetime, lacking: tuple[str, ...] = ()
) -> dict[str, Any]:
    return SeriesAnswer(
        id=SERIES,
        timezone=samples.ZONE,
        appointments=[AppointmentAnswer.model_validate(item) for item in appointments],
        skipped=[SkippedAnswer(starts_at=start, reason="taken", detail="is taken") for start in skipped],
        months_without_day=list(lacking),
    ).model_dump(mode="json")


def refused_series(*taken: dt.datetime) -> dict[str, Any]:
    """The problem of a series of which the first of these is taken and the others are not within the hours."""
    return {
        "type": "/problems/series-refused",
        "title": "Not all of the series can be booked",
        "status": 409,
        "detail": "Some of the series's appointments cannot be booked, so none was.",
        "refused": [
            {
                "starts_at": start.astimezone(dt.UTC).isoformat(),
                "reason": "not-offered" if place else "taken",
                "detail": "is a sentence for who calls the API",
            }
            for place, start in enumerate(taken)
        ],
    }


def cancelled_rest(appointments: list[dict[str, Any]]) -> dict[str, Any]:
    return RestAnswer(
        id=SERIES, cancelled=[AppointmentAnswer.model_validate(item) for item in appointments]
    ).model_dump(mode="json")
