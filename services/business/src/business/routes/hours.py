"""Hours and exceptions as bodies: staff and resources have them alike."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from business.domain import exceptions_fault, interval_fault, weekly_hours_fault
from contracts.business import Hours, HoursException, Interval
from servicekit.http.models import Body, LocalDate, LocalTime


class IntervalBody(Body):
    opens: LocalTime = Field(examples=["09:00"])
    closes: LocalTime = Field(examples=["17:00"], description="00:00 means the end of the day.")


class HoursBody(IntervalBody):
    weekday: int = Field(ge=0, le=6, description="0 is Monday.")


def _weekly(value: list[HoursBody]) -> list[HoursBody]:
    if fault := weekly_hours_fault(hours(value)):
        raise ValueError(fault)
    return value


def _daily(value: list[IntervalBody]) -> list[IntervalBody]:
    if fault := interval_fault(intervals(value)):
        raise ValueError(fault)
    return value


WeeklyHours = Annotated[list[HoursBody], Field(max_length=70), AfterValidator(_weekly)]


class ExceptionBody(Body):
    intervals: Annotated[list[IntervalBody], Field(max_length=10), AfterValidator(_daily)] = Field(
        description="The hours of that date; an empty list means closed."
    )


class DatedException(ExceptionBody):
    date: LocalDate


def _apart(value: list[DatedException]) -> list[DatedException]:
    if fault := exceptions_fault(exceptions(value)):
        raise ValueError(fault)
    return value


Exceptions = Annotated[list[DatedException], Field(max_length=500), AfterValidator(_apart)]


def hours(items: Sequence[HoursBody]) -> list[Hours]:
    return [Hours(weekday=item.weekday, opens=item.opens, closes=item.closes) for item in items]


def intervals(items: Sequence[IntervalBody]) -> list[Interval]:
    return [Interval(opens=item.opens, closes=item.closes) for item in items]


def exceptions(items: Sequence[DatedException]) -> list[HoursException]:
    """As the domain has them, by date."""
    found = [HoursException(date=item.date, intervals=intervals(item.intervals)) for item in items]
    return sorted(found, key=lambda item: item.date)
