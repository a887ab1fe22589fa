"""What days are, and what the figures make of counts."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from analytics.domain import STATUSES, Count, Span, figures
from contracts.booking import AppointmentEvent

DAY = Span(date(2026, 3, 2), date(2026, 3, 2), "Europe/Lisbon")


def test_days_begin_at_local_midnight_and_a_day_of_a_clock_change_is_shorter_or_longer() -> None:
    spring = Span(date(2026, 3, 28), date(2026, 3, 30), "Europe/Lisbon").midnights()
    assert spring[0] == datetime(2026, 3, 28, tzinfo=UTC)
    lengths = [after - before for before, after in pairwise(spring)]
    assert lengths == [timedelta(hours=24), timedelta(hours=23), timedelta(hours=24)]
    autumn = Span(date(2026, 10, 25), date(2026, 10, 25), "Europe/Lisbon").midnights()
    assert autumn[1] - autumn[0] == timedelta(hours=25)


def test_where_the_clock_skips_midnight_the_day_begins_after_the_gap() -> None:
    """Santiago, 6 September 2026: 23:59:59 is followed by 01:00."""
    first, second, _ = Span(date(2026, 9, 5), date(2026, 9, 6), "America/Santiago").midnights()
    assert second - first == timedelta(hours=24)
    assert second == datetime(2026, 9, 6, 4, tzinfo=UTC)


class Number(int):
    """Counts how often it is compared."""

    compared = 0
    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        Number.compared += 1
        return int(self) == other


def test_a_year_of_days_looks_at_each_count_a_few_times_only() -> None:
    """All that the process serves waits meanwhile."""
    year = Span(date(2026, 1, 1), date(2026, 12, 31), "UTC")
    whats = ("booked", "cancelled", "completed")
    counts = [Count(Number(day), what, day) for day in range(1, 366) for what in whats]
    assert [day.completed for day in figures(year, counts)] == list(range(1, 366))
    assert Number.compared < 3 * len(counts)


@pytest.mark.parametrize("zone", ["Pacific/Apia", "Atlantic/Azores", "Asia/Kathmandu", "America/New_York"])
def test_midnights_come_in_order_through_all_of_a_year(zone: str) -> None:
    midnights = Span(date(2011, 1, 1), date(2011, 12, 31), zone).midnights()
    assert midnights == sorted(midnights)
    assert len(midnights) == 366


def test_every_day_is_there_with_zeros() -> None:
    days = figures(Span(date(2026, 2, 27), date(2026, 3, 2), "UTC"), [Count(2, "booked", 3)])
    assert [day.date.isoformat() for day in days] == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    assert [day.booked for day in days] == [0, 3, 0, 0]
    assert days[0].reminder_success_rate is None


@pytest.mark.parametrize(
    ("counts", "no_shows"),
    [
        ({"no_show": 2}, 2),
        ({"unsettled": 3}, 0),
        ({"completed": 1, "unsettled": 3}, 3),
        ({"no_show": 1, "unsettled": 3}, 4),
        ({"completed": 5}, 0),
    ],
)
def test_unsettled_appointments_count_as_no_shows_on_days_that_the_business_settles(
    counts: dict[str, int], no_shows: int
) -> None:
    (day,) = figures(DAY, [Count(1, what, n) for what, n in counts.items()])
    assert day.no_shows == no_shows
    assert day.unsettled == counts.get("unsettled", 0)


@pytest.mark.parametrize(("sent", "failed", "rate"), [(3, 1, 0.75), (2, 1, 0.6667), (0, 4, 0.0), (7, 0, 1.0)])
def test_the_success_rate_is_sent_over_tried(sent: int, failed: int, rate: float) -> None:
    (day,) = figures(DAY, [Count(1, "sent", sent), Count(1, "failed", failed)])
    assert day.reminder_success_rate == rate


def test_every_appointment_event_has_a_status() -> None:
    assert set(STATUSES) == set(AppointmentEvent.__subclasses__())
