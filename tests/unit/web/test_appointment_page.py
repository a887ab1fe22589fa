"""The customer's page of an appointment: it is moved and cancelled, or it is said why that is not possible."""

import datetime as dt
import re

import pytest

from booking.routes.managed import BookedServiceAnswer
from support import web_samples as samples
from support.web_site import Browser, Script
from unit.web.open_business import BUSINESS, FREE, LISBON, NINE, TOO_SOON, open_for_booking


async def test_an_appointment_is_moved_and_cancelled(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    link = f"/appointments/{samples.TOKEN}"
    path = f"/v1/public{link}"
    gateway.on(f"PATCH {path}", samples.managed(NINE))
    gateway.on(f"DELETE {path}", samples.managed(NINE, status="cancelled", changeable_until=None))
    moved = await browser.submit(f"{link}/reschedule", f"{link}/reschedule", {"slot": NINE.isoformat()})
    assert moved.headers["location"] == link
    assert gateway.asked(f"PATCH {path}")[0].body == {"starts_at": NINE.isoformat()}
    assert "has been moved" in (await browser.get(link)).text
    cancelled = await browser.submit(link, f"{link}/cancel")
    assert cancelled.headers["location"] == link
    assert len(gateway.asked(f"DELETE {path}")) == 1


def no_longer(gateway: Script, pointer: str, detail: str, asks: str) -> None:
    """booking refuses a look at free times that has this in its query."""
    problem = {"title": "Some fields are wrong", "errors": [{"pointer": pointer, "detail": detail}]}
    free = samples.availability(NINE)
    gateway.on(FREE, lambda call: (422, problem) if asks in call.query else (200, free))


async def test_who_was_booked_with_somebody_who_has_left_is_shown_the_times_of_others(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    no_longer(gateway, "?staff", "does not perform this service", "staff")
    link = f"/appointments/{samples.TOKEN}"
    for page in (f"{link}/reschedule", f"{link}/reschedule?date={NINE.date().isoformat()}"):
        shown = await browser.get(page)
        assert shown.status_code == 200
        assert "Ada no longer does this." in shown.text
        assert f' {samples.ADA}"><time' in shown.text, "who has its own time is asked for by name"
        assert "chips" not in shown.text
    assert "no longer" not in (await browser.get(f"{link}/reschedule?anyone=1")).text


async def test_with_anyone_means_that_nobody_is_named_but_at_its_own_time(
    gateway: Script, browser: Browser
) -> None:
    """booking keeps the same person where they are free, and else takes whoever has least to do."""
    open_for_booking(gateway)
    link = f"/appointments/{samples.TOKEN}"
    shown = (await browser.get(f"{link}/reschedule?anyone=1")).text
    own, later = re.findall(r'name="slot" value="([^" ]*)( [^"]*)?"', shown)
    assert (dt.datetime.fromisoformat(own[0]), own[1]) == (NINE, f" {samples.ADA}")
    assert (dt.datetime.fromisoformat(later[0]), later[1]) == (NINE + dt.timedelta(minutes=15), "")


async def test_what_is_no_longer_offered_can_only_be_cancelled(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    no_longer(gateway, "?service", "is not a service of this business", "service")
    link = f"/appointments/{samples.TOKEN}"
    answer = await browser.get(f"{link}/reschedule")
    assert (answer.status_code, answer.headers["location"]) == (303, link)
    shown = (await browser.get(link)).text
    assert "no longer offered; the appointment can only be cancelled" in shown
    assert f'action="{link}/cancel"' in shown


async def test_who_books_too_late_to_change_it_is_not_told_that_the_link_does(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    link = f"/appointments/{samples.TOKEN}"
    can = "With it you can move or cancel the appointment."
    assert can in (await browser.get(f"{link}?booked=1")).text
    gateway.on(f"GET /v1/public{link}", samples.managed(NINE, changeable_until=None))
    shown = (await browser.get(f"{link}?booked=1")).text
    assert can not in shown
    assert f'href="http://slotwright.test{link}"' in shown


async def test_who_wants_to_move_it_while_the_business_is_suspended_is_not_sent_through_empty_weeks(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    link = f"/appointments/{samples.TOKEN}"
    gateway.on(FREE, samples.availability())
    assert "No free times in these days." in (await browser.get(f"{link}/reschedule")).text
    gateway.on(BUSINESS, samples.business(accepts_bookings=False))
    answer = await browser.get(f"{link}/reschedule")
    assert answer.headers["location"] == link
    shown = (await browser.get(link)).text
    assert "Riverside Barbers does not take bookings online at the moment" in shown
    assert f'action="{link}/cancel"' in shown
    gateway.refuse(BUSINESS, 503, "unavailable", "business does not answer")
    assert "No free times in these days." in (await browser.get(f"{link}/reschedule")).text


@pytest.mark.parametrize("anyone", ["", "&anyone=1"])
async def test_a_time_that_cannot_be_moved_to_leads_back_to_the_week_with_why(
    gateway: Script, browser: Browser, anyone: str
) -> None:
    open_for_booking(gateway)
    link = f"/appointments/{samples.TOKEN}"
    gateway.refuse(f"PATCH /v1/public{link}", 422, "invalid", TOO_SOON, starts_at=TOO_SOON)
    page = f"{link}/reschedule?date={NINE.date().isoformat()}{anyone}"
    back = await browser.submit(page, f"{link}/reschedule", {"slot": NINE.isoformat()})
    assert back.headers["location"] == page
    assert f"This time {TOO_SOON}. Please choose another." in (await browser.get(page)).text


@pytest.mark.parametrize(
    ("cancelled_by", "words"),
    [
        ("customer", "by you"),
        ("staff", "by Riverside Barbers"),
        ("system", "Riverside Barbers did not confirm it in time"),
    ],
)
async def test_a_cancelled_appointment_says_by_whom(
    gateway: Script, browser: Browser, cancelled_by: str, words: str
) -> None:
    link = f"/appointments/{samples.TOKEN}"
    over = samples.managed(NINE, status="cancelled", cancelled_by=cancelled_by, changeable_until=None)
    gateway.on(f"GET /v1/public{link}", over)
    page = (await browser.get(link)).text
    assert f'cancelled</span> <span class="quiet">{words}</span>' in page
    del over["cancelled_by"]
    assert "cancelled</span></dd>" in (await browser.get(link)).text, "of a booking of the release before"


async def test_a_refused_change_says_why(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    link = f"/appointments/{samples.TOKEN}"
    gateway.refuse(f"DELETE /v1/public{link}", 403, "cancellation-window", "It is too late to cancel online.")
    await browser.submit(link, f"{link}/cancel")
    assert "too late to cancel online" in (await browser.get(link)).text


async def test_what_can_no_longer_be_changed_offers_no_change(gateway: Script, browser: Browser) -> None:
    link = f"/appointments/{samples.TOKEN}"
    gateway.on(f"GET /v1/public{link}", samples.managed(NINE, changeable_until=None))
    page = await browser.get(link)
    assert "can no longer be changed here" in page.text
    assert "/cancel" not in page.text
    assert (await browser.get(f"{link}/reschedule")).status_code == 303


async def test_weeks_to_move_to_end_with_the_days_that_can_be_booked(
    gateway: Script, browser: Browser
) -> None:
    """Behind them it could only be said of every time that it is too far ahead."""
    open_for_booking(gateway)
    service = BookedServiceAnswer(id=samples.SERVICE, name="Haircut", booking_window_days=10)
    gateway.on(f"GET /v1/public/appointments/{samples.TOKEN}", samples.managed(NINE, service=service))
    page = f"/appointments/{samples.TOKEN}/reschedule"
    following = dt.datetime.now(LISBON).date() + dt.timedelta(days=7)
    assert f"date={following.isoformat()}" in (await browser.get(page)).text
    last = (await browser.get(f"{page}?date={following.isoformat()}")).text
    assert 'rel="prev"' in last
    assert 'rel="next"' not in last
