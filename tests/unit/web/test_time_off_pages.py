"""A staff member's time off on the dashboard: days as they are where the person works."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from support import web_samples as samples
from support import web_samples_closures as closures
from support.web_site import Browser, Script, hidden_fields
from web.dashboard.time_off import span_in_words

pytestmark = pytest.mark.usefixtures("signed_in")
MEMBER = f"/dashboard/staff/{samples.ADA}"
PAGE = f"{MEMBER}/time-off"
API = f"/v1/staff/{samples.ADA}/time-off"
ZONE = "America/New_York"
NEW_YORK = ZoneInfo(ZONE)
LATER = samples.HOLD


def off(first: str, last: str) -> tuple[dt.datetime, dt.datetime]:
    return (dt.datetime.fromisoformat(first), dt.datetime.fromisoformat(last))


@pytest.fixture(autouse=True)
def _away(signed_in: None, gateway: Script) -> None:
    """Ada works in New York, has been off and will be."""
    gateway.on(f"GET /v1/staff/{samples.ADA}", samples.member(timezone=ZONE))
    gateway.on(
        f"GET {API}",
        [
            closures.time_off(*off("2020-02-03T05:00Z", "2020-02-04T05:00Z")),
            closures.time_off(*off("2090-08-07T04:00Z", "2090-08-19T04:00Z"), LATER),
        ],
    )
    gateway.on(f"POST {API}", closures.time_off(*off("2090-08-07T04:00Z", "2090-08-19T04:00Z")), 201)
    gateway.on("GET /v1/appointments", samples.page())


async def test_what_is_to_come_is_shown_and_what_is_over_is_out_of_the_way(browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    coming, _, past = page.partition("What is over (1)")
    assert "Mon 7 Aug – Fri 18 Aug 2090" in coming
    assert "Mon 3 Feb 2020" in past
    assert "2020" not in coming
    assert f'href="/dashboard/appointments?date=2090-08-07&amp;staff={samples.ADA}"' in coming
    assert "Times in America/New York." in page


async def test_each_of_a_persons_pages_leads_to_the_others(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/audit", samples.page())
    for current in (MEMBER, PAGE, f"{MEMBER}/calendars"):
        page = (await browser.get(current)).text
        assert f'href="{current}" aria-current="page"' in page
        for address in (MEMBER, PAGE, f"{MEMBER}/calendars"):
            assert f'class="chip" href="{address}"' in page


@pytest.mark.parametrize(
    ("typed", "starts", "ends"),
    [
        ({"first_day": "2090-08-07"}, "2090-08-07T04:00:00+00:00", "2090-08-08T04:00:00+00:00"),
        (
            {"first_day": "2090-08-07", "last_day": "2090-08-18"},
            "2090-08-07T04:00:00+00:00",
            "2090-08-19T04:00:00+00:00",
        ),
        (
            {"first_day": "2090-08-07", "from_time": "14:00", "until_time": "16:30"},
            "2090-08-07T18:00:00+00:00",
            "2090-08-07T20:30:00+00:00",
        ),
        (
            {"first_day": "2090-08-07", "from_time": "14:00", "until_time": "00:00"},
            "2090-08-07T18:00:00+00:00",
            "2090-08-08T04:00:00+00:00",
        ),
        # A week in which clocks go back there.
        (
            {"first_day": "2090-11-04", "last_day": "2090-11-06"},
            "2090-11-04T04:00:00+00:00",
            "2090-11-07T05:00:00+00:00",
        ),
    ],
)
async def test_days_and_times_are_those_of_the_persons_zone(
    gateway: Script, browser: Browser, typed: dict[str, str], starts: str, ends: str
) -> None:
    answer = await browser.submit(PAGE, PAGE, typed)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(f"POST {API}")
    assert asked.body == {"starts_at": starts, "ends_at": ends}
    assert asked.headers["idempotency-key"]


async def test_a_form_that_is_sent_twice_has_one_key(gateway: Script, browser: Browser) -> None:
    fields = hidden_fields((await browser.get(PAGE)).text, PAGE) | {"first_day": "2090-08-07"}
    for _ in range(2):
        await browser.post(PAGE, data=fields)
    first, second = gateway.asked(f"POST {API}")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_appointments_that_stay_are_counted(gateway: Script, browser: Browser) -> None:
    """Those that run into it as well; not those that were cancelled, nor those that are over by then."""
    starts = dt.datetime(2090, 8, 7, 4, tzinfo=dt.UTC)
    hour = dt.timedelta(hours=1)
    found = [
        samples.appointment(starts - hour / 4),
        samples.appointment(starts - hour),
        samples.appointment(starts + hour, status="pending"),
        samples.appointment(starts + hour, status="cancelled"),
    ]
    gateway.on("GET /v1/appointments", samples.page(*found))
    await browser.submit(PAGE, PAGE, {"first_day": "2090-08-07"})
    (asked,) = gateway.asked("GET /v1/appointments")
    assert asked.query == {
        "staff": str(samples.ADA),
        "from": "2090-08-06T04:00:00+00:00",
        "to": "2090-08-08T04:00:00+00:00",
        "limit": "200",
    }
    assert "2 appointments are booked in this time and will stay" in (await browser.get(PAGE)).text


async def test_that_nothing_is_booked_then_is_said(browser: Browser) -> None:
    await browser.submit(PAGE, PAGE, {"first_day": "2090-08-07"})
    assert "No appointment is booked in this time." in (await browser.get(PAGE)).text


@pytest.mark.parametrize(
    ("typed", "place", "words"),
    [
        ({}, "first_day", "This must be a date."),
        ({"first_day": "soon"}, "first_day", "This must be a date."),
        ({"first_day": "2090-08-07", "last_day": "later"}, "last_day", "This must be a date."),
        (
            {"first_day": "2090-08-07", "last_day": "2090-08-06"},
            "last_day",
            "This must not lie before the first day.",
        ),
        (
            {"first_day": "2090-08-07", "from_time": "14:00", "until_time": "13:00"},
            "until_time",
            "This must be later than the beginning.",
        ),
        (
            {"first_day": "2090-08-07", "from_time": "noon"},
            "from_time",
            "This must be a time, such as 14:00.",
        ),
    ],
)
async def test_what_was_typed_wrongly_is_said_at_its_field_and_kept(
    gateway: Script, browser: Browser, typed: dict[str, str], place: str, words: str
) -> None:
    answer = await browser.submit(PAGE, PAGE, typed)
    assert answer.status_code == 422
    assert f'id="{place}-fault">{words}' in answer.text
    for value in typed.values():
        assert f'value="{value}"' in answer.text
    assert gateway.asked(f"POST {API}") == []


@pytest.mark.parametrize(
    ("pointer", "detail", "words"),
    [
        (
            "starts_at",
            "lies more than 31 days in the past",
            'id="first_day-fault">This lies more than 31 days',
        ),
        ("ends_at", "lies in the past", 'id="first_day-fault">This lies in the past.'),
        ("", "there are 200 already; delete what is over first", "<p>There are too many already. Remove"),
    ],
)
async def test_what_the_api_refuses_is_said_where_it_belongs(
    gateway: Script, browser: Browser, pointer: str, detail: str, words: str
) -> None:
    gateway.refuse(f"POST {API}", 422, "invalid", detail, **{pointer: detail})
    answer = await browser.submit(PAGE, PAGE, {"first_day": "2020-08-07"})
    assert answer.status_code == 422
    assert words in answer.text


async def test_a_time_off_is_taken_back_by_two_presses(gateway: Script, browser: Browser) -> None:
    gateway.on(f"DELETE {API}/{LATER}", None, 204)
    page = (await browser.get(PAGE)).text
    assert page.index("<details") < page.index(f'action="{PAGE}/{LATER}/remove"') < page.index("</details>")
    answer = await browser.submit(PAGE, f"{PAGE}/{LATER}/remove")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert len(gateway.asked(f"DELETE {API}/{LATER}")) == 1


async def test_why_it_cannot_be_taken_back_is_told(gateway: Script, browser: Browser) -> None:
    gateway.refuse(f"DELETE {API}/{LATER}", 404, "not-found", "There is no such time off.")
    await browser.submit(PAGE, f"{PAGE}/{LATER}/remove")
    assert "There is no such time off." in (await browser.get(PAGE)).text


async def test_without_any_the_page_says_what_to_do(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API}", [])
    page = (await browser.get(PAGE)).text
    assert "No time off is planned. Enter it below." in page
    assert "What is over" not in page


@pytest.mark.usefixtures("as_staff")
async def test_staff_see_it_and_no_form(browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    assert "Mon 7 Aug – Fri 18 Aug 2090" in page
    assert f'action="{MEMBER}' not in page
    assert f'href="{MEMBER}/calendars"' not in page


@pytest.mark.parametrize(
    ("starts", "ends", "words"),
    [
        ("2026-12-25T00:00", "2026-12-26T00:00", "Fri 25 Dec 2026"),
        ("2026-12-24T00:00", "2027-01-02T00:00", "Thu 24 Dec 2026 – Fri 1 Jan 2027"),
        ("2026-08-03T14:00", "2026-08-03T16:30", "Mon 3 Aug 2026, 14:00–16:30"),
        ("2026-08-03T14:00", "2026-08-04T00:00", "Mon 3 Aug 2026, from 14:00"),
        ("2026-08-03T00:00", "2026-08-03T12:00", "Mon 3 Aug 2026, until 12:00"),
        ("2026-08-03T14:00", "2026-08-06T00:00", "Mon 3 Aug 2026, 14:00 – Wed 5 Aug 2026"),
        ("2026-08-03T14:00", "2026-08-06T09:00", "Mon 3 Aug 2026, 14:00 – Thu 6 Aug 2026, 09:00"),
    ],
)
def test_a_time_off_in_words(starts: str, ends: str, words: str) -> None:
    begin, end = (
        dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(dt.UTC) for text in (starts, ends)
    )
    assert span_in_words(begin, end, ZONE) == words
