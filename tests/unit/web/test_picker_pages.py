"""The page on which a service and a time are chosen: what it asks the API, what it offers, and what it says."""

import datetime as dt
import re
from typing import Any
from zoneinfo import ZoneInfo

from support import web_samples as samples
from support.web_site import Answer, Browser, Call, Script
from unit.web.open_business import (
    BUSINESS,
    DOG,
    FREE,
    LISBON,
    NINE,
    PICKER,
    open_for_booking,
)
from web.rendering import STATIC


async def test_services_are_offered_before_times(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    page = await browser.get("/b/riverside")
    assert page.status_code == 200
    assert "Haircut" in page.text
    assert "€25.00" in page.text
    assert gateway.asked(FREE) == []


async def test_a_service_that_nobody_performs_is_not_offered(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    business = samples.business()
    business["services"].append(business["services"][0] | {"id": str(DOG), "name": "Shave", "staff_ids": []})
    gateway.on(BUSINESS, business)
    for page in ("/b/riverside", f"/b/riverside?service={DOG}"):
        shown = (await browser.get(page)).text
        assert "Haircut" in shown
        assert "Shave" not in shown


async def test_a_service_that_booking_does_not_know_yet_asks_for_patience(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    gateway.on(
        FREE,
        {
            "type": "https://slotwright.io/problems/invalid",
            "title": "Some fields are wrong",
            "status": 422,
            "errors": [{"pointer": "?service", "detail": "is not a service of this business"}],
        },
        422,
    )
    page = await browser.get(PICKER)
    assert page.status_code == 200
    assert "cannot be booked just yet" in page.text


async def test_names_from_the_api_are_escaped(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    page = await browser.get(PICKER)
    assert "Grace &lt;b&gt;Hopper" in page.text
    assert "<b>Hopper" not in page.text


async def test_times_are_asked_and_shown_in_the_business_zone(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    page = await browser.get(PICKER)
    asked = gateway.asked(FREE)[0].query
    assert asked["timezone"] == samples.ZONE
    assert asked["from"] == dt.datetime.now(LISBON).date().isoformat()
    assert ">09:00</time>" in page.text
    assert ">09:15</time>" in page.text


async def test_times_are_shown_in_the_viewers_zone_when_asked(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    page = await browser.get(f"{PICKER}&timezone=Asia/Tokyo")
    expected = NINE.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%H:%M")
    assert f">{expected}</time>" in page.text
    assert gateway.asked(FREE)[0].query["timezone"] == "Asia/Tokyo"


async def test_two_times_that_the_clocks_call_the_same_can_be_told_apart(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    first = dt.datetime(2027, 10, 31, 0, 30, tzinfo=dt.UTC)
    gateway.on(FREE, samples.availability(first, first + dt.timedelta(hours=1)))
    page = (await browser.get(f"{PICKER}&date=2027-10-31")).text
    assert re.findall(r">(01:30[^<]*)</time>", page) == ["01:30 WEST", "01:30 WET"]


async def test_what_is_followed_in_the_picker_has_the_same_id_in_the_next_page(
    gateway: Script, browser: Browser
) -> None:
    """htmx gives the focus back by it; without one, the keyboard begins at the top of the page again."""
    open_for_booking(gateway)
    for page in (PICKER, f"{PICKER}&timezone=America/New_York&date={(NINE + dt.timedelta(days=14)).date()}"):
        picker = (await browser.get(page)).text.partition('id="picker"')[2]
        links = re.findall(r"<a [^>]*>", picker)
        ids = [re.findall(r' id="([^"]+)"', link) for link in links]
        assert [link for link, found in zip(links, ids, strict=True) if not found] == []
        assert {"with-anyone", f"service-{samples.SERVICE}", "week-after", "zone-link"} <= {i for (i,) in ids}
        assert len({i for (i,) in ids}) == len(ids)


def test_what_the_script_expects_of_htmx_and_of_the_pages_is_so() -> None:
    """By it the browser goes to what answers without the part asked for: htmx alone would empty the page."""
    script, htmx = ((STATIC / name).read_text(encoding="utf-8") for name in ("app.js", "htmx.min.js"))
    events = set(re.findall(r'"(htmx:\w+)"', script))
    assert {"htmx:beforeSwap", "htmx:sendError"} <= events
    assert [event for event in events if f'"{event}"' not in htmx] == []
    assert [name for name in ("finalRequestPath", "serverResponse", "isError") if name not in script] == []
    assert [name for name in ("finalRequestPath:", "serverResponse:", "isError:") if name not in htmx] == []
    pages = [path.read_text(encoding="utf-8") for path in (STATIC.parent / "templates").rglob("*.html")]
    exchanged = [page for page in pages if "#picker" in page]
    assert exchanged
    for page in exchanged:
        assert '<div id="picker" hx-boost="true" hx-target="#picker" hx-select="#picker"' in page
    polled = [found for page in pages for found in re.findall(r"<div [^>]*hx-get[^>]*>", page)]
    assert polled
    for part in polled:
        (name,) = re.findall(r' id="(\w+)"', part)
        assert f'hx-select="#{name}" hx-swap="outerHTML"' in part


async def test_a_zone_that_is_none_means_the_businesss(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    await browser.get(f"{PICKER}&timezone=Mars/Olympus")
    assert gateway.asked(FREE)[0].query["timezone"] == samples.ZONE


async def test_a_past_date_starts_today(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    await browser.get(f"{PICKER}&date=1999-01-01")
    assert gateway.asked(FREE)[0].query["from"] == dt.datetime.now(LISBON).date().isoformat()


def told_by(days: int, *starts: dt.datetime) -> Answer:
    """A business of which the API tells so many days in an answer."""

    def answer(call: Call) -> tuple[int, Any]:
        first, last = (dt.date.fromisoformat(call.query[name]) for name in ("from", "to"))
        to = min(last, first + dt.timedelta(days=days - 1))
        there = [start for start in starts if first <= start.astimezone(LISBON).date() <= to]
        return 200, samples.availability(*there, to=to)

    return answer


async def test_a_week_is_whole_however_few_days_are_told_at_once(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    starts = [NINE, NINE + dt.timedelta(hours=1), NINE + dt.timedelta(days=2), NINE + dt.timedelta(days=9)]
    gateway.on(FREE, told_by(2, *starts))
    page = (await browser.get(PICKER)).text
    assert page.count(">09:00</time>") == 2
    assert page.count(">10:00</time>") == 1
    assert len(gateway.asked(FREE)) == 4  # days 0 and 1, 2 and 3, 4 and 5, 6 and 7


async def test_the_next_free_day_is_found_however_few_days_are_told_at_once(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    gateway.on(FREE, told_by(3, NINE + dt.timedelta(days=17)))  # the 20th day behind today
    page = await browser.get(PICKER)
    assert "Next free time" in page.text
    assert len(gateway.asked(FREE)) == 7
    gateway.on(FREE, told_by(3))
    gateway.calls.clear()
    assert "Try another week" in (await browser.get(PICKER)).text
    assert len(gateway.asked(FREE)) == 10  # 28 days


async def test_an_empty_week_names_the_next_free_day(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    later = NINE + dt.timedelta(days=10)
    gateway.on(FREE, samples.availability(later))
    page = await browser.get(PICKER)
    assert "No free times" in page.text
    assert f"date={later.date().isoformat()}" in page.text


async def test_weeks_end_with_the_days_that_can_be_booked(gateway: Script, browser: Browser) -> None:
    """Else a crawler found no end of them, each a look at free times."""
    open_for_booking(gateway)
    gateway.on(BUSINESS, samples.business(services=[samples.service(booking_window_days=10)]))
    today = dt.datetime.now(LISBON).date()
    assert f"date={(today + dt.timedelta(days=7)).isoformat()}" in (await browser.get(PICKER)).text
    for days in (7, 100, 10_000):
        last = await browser.get(f"{PICKER}&date={(today + dt.timedelta(days=days)).isoformat()}")
        assert 'rel="prev"' in last.text
        assert 'rel="next"' not in last.text
    asked = [call.query["from"] for call in gateway.asked(FREE)]
    assert asked[2:] == [(today + dt.timedelta(days=days)).isoformat() for days in (100, 730)]


async def test_a_business_that_takes_no_bookings_says_so(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.on(BUSINESS, samples.business(accepts_bookings=False))
    page = await browser.get(PICKER)
    assert "does not take bookings" in page.text
    assert gateway.asked(FREE) == []


async def test_an_unknown_business_is_a_page(gateway: Script, browser: Browser) -> None:
    page = await browser.get("/b/nowhere")
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    assert (await browser.get("/b/Not_A_Slug")).status_code == 404
