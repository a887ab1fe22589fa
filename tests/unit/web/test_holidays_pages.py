"""The business's closed days on the dashboard: lines of days in a row, and a calendar file."""

import datetime as dt
import re

import pytest

from business.ical import MAX_BYTES
from support import web_samples as samples
from support import web_samples_closures as closures
from support.web_site import Browser, Script, hidden_fields
from web import times
from web.dashboard.holidays import MOST_BYTES, Run, runs

pytestmark = pytest.mark.usefixtures("signed_in")
PAGE = "/dashboard/holidays"
IMPORT = f"{PAGE}/import"
API = "/v1/business/holidays"
LONG_AGO = (dt.date(2020, 12, 25), "Christmas")
SUMMER = [(dt.date(2090, 8, day), "Summer <break>") for day in (7, 8, 9)]
EVE = (dt.date(2090, 12, 24), "Eve")
XMAS = (dt.date(2090, 12, 25), "Christmas")
WEEK = f"{PAGE}/2090-08-07/2090-08-09/remove"
FILE = b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"


def sent(*days: tuple[dt.date, str]) -> dict[str, list[dict[str, str]]]:
    return {"days": [{"date": day.isoformat(), "name": name} for day, name in days]}


def chosen(content: bytes, name: str = "holidays.ics") -> dict[str, tuple[str, bytes]]:
    return {"calendar": (name, content)}


@pytest.fixture(autouse=True)
def _closed(gateway: Script) -> None:
    listed = closures.holidays(LONG_AGO, *SUMMER, EVE, XMAS)
    gateway.on(f"GET {API}", listed)
    gateway.on(f"PUT {API}", listed)
    gateway.on(f"POST {API}/import", listed)


async def test_days_in_a_row_are_one_line_and_what_is_over_is_out_of_the_way(browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    coming, _, past = page.partition("What is over (1)")
    lines = re.findall(r'<tr><td class="wrap">([^<]*)<div class="quiet">([^<]*)<', coming)
    assert lines == [
        ("Mon 7 Aug – Wed 9 Aug 2090", "Summer &lt;break&gt;"),
        ("Sun 24 Dec 2090", "Eve"),
        ("Mon 25 Dec 2090", "Christmas"),
    ]
    assert "Fri 25 Dec 2020" in past


async def test_what_has_begun_is_not_over(gateway: Script, browser: Browser) -> None:
    today = times.today(samples.ZONE)
    days = [today + dt.timedelta(days=number) for number in (-3, -1, 0)]
    gateway.on(f"GET {API}", closures.holidays(*((day, "Break") for day in days)))
    coming, _, past = (await browser.get(PAGE)).text.partition("What is over (1)")
    assert times.days_in_words(days[1], days[2]) in coming
    assert times.days_in_words(days[0], days[0]) in past


def test_a_gap_or_another_name_begins_a_new_line() -> None:
    days = [dt.date(2090, 8, day) for day in (1, 2, 4, 5)]
    listed = closures.holidays(*zip(days, ("A", "A", "A", "B"), strict=True))["days"]
    first, second, third, fourth = days
    assert runs(listed) == [Run(first, second, "A"), Run(third, third, "A"), Run(fourth, fourth, "B")]
    assert runs([]) == []


async def test_days_are_added_to_those_that_are_there(gateway: Script, browser: Browser) -> None:
    typed = {"name": "Break", "first_day": "2090-12-25", "last_day": "2090-12-26"}
    answer = await browser.submit(PAGE, PAGE, typed)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(f"PUT {API}")
    assert asked.headers["if-match"] == '"v7"'
    added = [(dt.date(2090, 12, day), "Break") for day in (25, 26)]
    assert asked.body == sent(LONG_AGO, *SUMMER, EVE, *added)
    assert "Saved: Mon 25 Dec – Tue 26 Dec 2090." in (await browser.get(PAGE)).text


async def test_a_single_day_needs_no_last_one(gateway: Script, browser: Browser) -> None:
    await browser.submit(PAGE, PAGE, {"name": "Fair", "first_day": "2090-06-13"})
    (asked,) = gateway.asked(f"PUT {API}")
    assert asked.body == sent(LONG_AGO, (dt.date(2090, 6, 13), "Fair"), *SUMMER, EVE, XMAS)


async def test_a_line_is_removed_whole_by_two_presses(gateway: Script, browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    assert page.index("<details") < page.index(f'action="{WEEK}"') < page.index("</details>")
    answer = await browser.submit(PAGE, WEEK)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(f"PUT {API}")
    assert (asked.headers["if-match"], asked.body) == ('"v7"', sent(LONG_AGO, EVE, XMAS))


async def test_what_somebody_else_changed_is_not_overwritten(gateway: Script, browser: Browser) -> None:
    gateway.refuse(f"PUT {API}", 412, "precondition-failed", "It was changed.")
    answer = await browser.submit(PAGE, PAGE, {"name": "Fair", "first_day": "2090-06-13", "version": "6"})
    assert "Somebody changed it while you were typing" in answer.text
    assert 'value="2090-06-13"' in answer.text
    assert hidden_fields(answer.text, PAGE)["version"] == "7"
    pressed = await browser.submit(PAGE, WEEK)
    assert pressed.headers["location"] == PAGE
    assert "Somebody changed it meanwhile" in (await browser.get(PAGE)).text


async def test_nor_is_it_by_a_form_that_was_refused_first(gateway: Script, browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    gateway.on(f"GET {API}", closures.holidays(XMAS, version=8))
    refused = await browser.post(PAGE, data=hidden_fields(page, PAGE) | {"name": ""})
    assert refused.status_code == 422
    assert hidden_fields(refused.text, PAGE)["version"] == "7", "so that the API refuses it"
    removal = f"{PAGE}/2090-12-25/2090-12-25/remove"
    assert hidden_fields(refused.text, removal)["version"] == "8", "this one is about what is shown"


@pytest.mark.parametrize(
    ("typed", "place", "words"),
    [
        ({"first_day": "2090-06-13"}, "name", "This is needed."),
        ({"name": "Fair"}, "first_day", "This must be a date."),
        ({"name": "Fair", "first_day": "2090-06-13", "last_day": "x"}, "last_day", "This must be a date."),
        (
            {"name": "Fair", "first_day": "2090-06-13", "last_day": "2090-06-12"},
            "last_day",
            "This must not lie before the first day.",
        ),
        ({"name": "Fair", "first_day": "2020-06-13"}, "first_day", "This lies in the past."),
        (
            {"name": "Fair", "first_day": "2090-06-13", "last_day": "8090-06-12"},
            "last_day",
            "This must be within a year of the first day.",
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
    assert gateway.asked(f"PUT {API}") == []


@pytest.mark.parametrize(
    ("pointer", "detail", "words"),
    [
        (
            "days",
            "List should have at most 500 items after validation, not 501",
            "<p>There would be too many",
        ),
        ("days__4__name", "must be one line", 'id="name-fault">This must be one line.'),
        (
            "days__4__date",
            "Input should be less than or equal to 2099-12-31",
            'id="first_day-fault">This must be at most 2099-12-31.',
        ),
    ],
)
async def test_what_the_api_refuses_is_said_where_it_belongs(
    gateway: Script, browser: Browser, pointer: str, detail: str, words: str
) -> None:
    gateway.refuse(f"PUT {API}", 422, "invalid", detail, **{pointer: detail})
    answer = await browser.submit(PAGE, PAGE, {"name": "Fair", "first_day": "2090-06-13"})
    assert answer.status_code == 422
    assert words in answer.text


async def test_why_a_line_stays_is_told(gateway: Script, browser: Browser) -> None:
    gateway.refuse(f"PUT {API}", 403, "tenant-suspended", "Riverside Barbers is suspended.")
    await browser.submit(PAGE, WEEK)
    assert "Riverside Barbers is suspended." in (await browser.get(PAGE)).text


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ([XMAS, EVE], "2 days added, Sun 24 Dec 2090 to Mon 25 Dec 2090."),
        ([EVE], "1 day added, Sun 24 Dec 2090."),
        (
            [EVE, (LONG_AGO[0], "Xmas")],
            "1 day added, Sun 24 Dec 2090; 1 renamed as the file has it.",
        ),
        ([], "Nothing new: all its days are on the list already."),
    ],
)
async def test_a_calendar_file_is_sent_on_and_what_it_brought_is_said(
    gateway: Script, browser: Browser, after: list[tuple[dt.date, str]], words: str
) -> None:
    gateway.on(f"GET {API}", closures.holidays(LONG_AGO))
    listed = sorted((dict([LONG_AGO]) | dict(after)).items())
    gateway.on(f"POST {API}/import", closures.holidays(*listed, version=8))
    answer = await browser.submit(PAGE, IMPORT, files=chosen(FILE))
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(f"POST {API}/import")
    assert (asked.headers["content-type"], asked.body) == ("text/calendar", FILE)
    assert words in (await browser.get(PAGE)).text


async def test_a_file_may_be_as_large_as_the_api_takes_it(gateway: Script, browser: Browser) -> None:
    assert MOST_BYTES == MAX_BYTES
    answer = await browser.submit(PAGE, IMPORT, files=chosen(b"x" * (MAX_BYTES + 1)))
    assert answer.status_code == 422
    assert 'id="calendar-fault">This file is too large: it may have 256 KB.' in answer.text
    assert gateway.asked(f"POST {API}/import") == []
    assert (await browser.submit(PAGE, IMPORT, files=chosen(b"x" * MAX_BYTES))).status_code == 303
    assert len(gateway.asked(f"POST {API}/import")[0].body) == MAX_BYTES


@pytest.mark.parametrize("files", [None, chosen(b""), chosen(b"", name="")])
async def test_a_file_that_was_not_chosen_is_asked_for(
    gateway: Script, browser: Browser, files: dict[str, tuple[str, bytes]] | None
) -> None:
    answer = await browser.submit(PAGE, IMPORT, files=files)
    assert answer.status_code == 422
    assert 'id="calendar-fault">Choose a file that is not empty.' in answer.text
    assert gateway.asked(f"POST {API}/import") == []


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("this is not an iCalendar file: Found no components", "This is not a calendar file. Nothing was"),
        ("the file is not UTF-8", "This is not a calendar file that can be read. Nothing was added."),
        ("the calendar holds no event", "The calendar holds no event. Nothing was added."),
        (
            "event 3, 'A <b>': DTSTART has a time of day; only whole days can be taken",
            "Event 3, &#39;A &lt;b&gt;&#39; has a time of day; only whole days can be taken. Nothing was added.",
        ),
        (
            "event 1, 'A' has an RRULE that cannot be taken: only what comes once a year",
            "Event 1, &#39;A&#39; repeats in a way that cannot be taken: only what comes once a year. Nothing",
        ),
        (
            "would make 501 closed days; 500 are the most",
            "With it there would be 501 closed days; 500 are the most. Nothing was added.",
        ),
    ],
)
async def test_why_a_file_is_not_taken_is_said_at_it(
    gateway: Script, browser: Browser, detail: str, words: str
) -> None:
    fault = {"pointer": "/", "detail": detail}
    problem = {"title": "Some fields are wrong", "detail": detail, "errors": [fault]}
    gateway.on(f"POST {API}/import", problem, 422)
    answer = await browser.submit(PAGE, IMPORT, files=chosen(FILE))
    assert answer.status_code == 422
    assert f'id="calendar-fault">{words}' in answer.text


async def test_a_file_without_our_token_goes_nowhere(gateway: Script, browser: Browser) -> None:
    await browser.get(PAGE)
    gateway.calls.clear()
    for data in ({}, {"form_token": "forged"}):
        answer = await browser.post(IMPORT, data=data, files=chosen(FILE))
        assert answer.status_code == 403
        assert "This form has expired" in answer.text
    assert gateway.calls == []


async def test_no_other_form_takes_a_file(gateway: Script, browser: Browser) -> None:
    answer = await browser.submit(PAGE, PAGE, {"name": "A", "first_day": "2090-06-13"}, files=chosen(FILE))
    assert answer.status_code == 400
    both = [("calendar", ("a.ics", FILE)), ("calendar", ("b.ics", FILE))]
    assert (await browser.submit(PAGE, IMPORT, files=both)).status_code == 400
    assert [call for call in gateway.calls if call.method != "GET"] == []


async def test_without_any_the_page_says_what_to_do(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API}", closures.holidays())
    page = (await browser.get(PAGE)).text
    assert "No closed days to come. Add them one by one, or from a calendar file." in page
    assert "What is over" not in page


@pytest.mark.usefixtures("as_staff")
async def test_staff_see_them_and_no_form(browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    assert "Mon 7 Aug – Wed 9 Aug 2090" in page
    assert f'action="{PAGE}' not in page
