"""Booking by the business itself, several times at once: the form, and the end of a series on its page."""

import pytest

from support import web_samples as samples
from support import web_samples_desk as desk
from support.web_site import Browser, Script, hidden_fields
from unit.web.desk_form import BOOK, BOOK_SERIES, DAY, NEW, TYPED, chosen, details, field
from unit.web.open_business import NINE

pytestmark = pytest.mark.usefixtures("signed_in")
PAGE = f"/dashboard/appointments/{samples.APPOINTMENT}"
READ = f"GET /v1/appointments/{samples.APPOINTMENT}"
LIST = "GET /v1/appointments"
CANCEL = f"POST /v1/series/{desk.SERIES}/cancel"
YES = f"{PAGE}/series/cancel"


@pytest.mark.parametrize(
    ("repeat", "rule"),
    [
        ("week", {"every": "week", "count": 6}),
        ("two-weeks", {"every": "week", "interval": 2, "count": 6}),
        ("month", {"every": "month", "count": 6}),
    ],
)
async def test_what_recurs_is_booked_as_a_series(
    gateway: Script, browser: Browser, repeat: str, rule: dict[str, object]
) -> None:
    gateway.on(BOOK_SERIES, desk.booked_series(desk.weekly(NINE)), 201)
    sent = await browser.submit(details(), NEW, TYPED | {"repeat": repeat, "count": "6"})
    assert (sent.status_code, sent.headers["location"]) == (303, DAY)
    (asked,) = gateway.asked(BOOK_SERIES)
    assert asked.headers["idempotency-key"]
    assert asked.body["rule"] == rule
    assert asked.body["on_conflict"] == "refuse"
    assert asked.body["customer"]["name"] == "Bea <Bond>"
    assert gateway.asked(BOOK) == []
    last = NINE + 2 * desk.WEEK
    said = (
        f"Booked 3 times for Bea &lt;Bond&gt;, the last on {last:%A}, {last.day} {last:%B} {last.year}.</p>"
    )
    assert said in (await browser.get(DAY)).text


async def test_what_does_not_recur_needs_no_number(gateway: Script, browser: Browser) -> None:
    gateway.on(BOOK, samples.booked(NINE), 201)
    sent = await browser.submit(details(), NEW, TYPED | {"repeat": "", "count": "many"})
    assert sent.status_code == 303
    assert len(gateway.asked(BOOK)) == 1


async def test_a_series_that_cannot_be_booked_whole_says_which_dates_and_can_do_without_them(
    gateway: Script, browser: Browser
) -> None:
    second, third = NINE + desk.WEEK, NINE + 2 * desk.WEEK
    gateway.on(BOOK_SERIES, desk.refused_series(second, third), 409)
    typed = TYPED | {"repeat": "week", "count": "3"}
    refused = await browser.submit(details(), NEW, typed)
    assert refused.status_code == 409
    assert 'id="repeat-fault">Nothing is booked' in refused.text
    assert 'aria-invalid="true"' in field(refused.text, "repeat")
    for start, why in ((second, "taken"), (third, "not within the hours")):
        assert f"<li>{start:%A}, {start.day} {start:%B} {start.year}, 09:00: {why}</li>" in refused.text
    assert chosen(refused.text, "repeat") == ["week"]
    assert 'value="3"' in field(refused.text, "count")
    assert " checked" not in field(refused.text, "skip")

    without = desk.booked_series(desk.weekly(third, 1), second, NINE, lacking=("2027-02", "2027-04"))
    gateway.on(BOOK_SERIES, without, 201)
    sent = await browser.submit(details(), NEW, typed | {"skip": "yes"})
    assert gateway.asked(BOOK_SERIES)[-1].body["on_conflict"] == "skip"
    assert sent.headers["location"] == f"/dashboard?date={third.date()}", "the first that was booked"
    said = (await browser.get(sent.headers["location"])).text
    assert "Booked once for Bea" in said
    assert f"Left out: {second:%a} {second.day} {second:%b}, {NINE:%a} {NINE.day} {NINE:%b}." in said
    assert "Without that day, and so left out: February 2027, April 2027." in said


async def test_nothing_is_left_out_of_a_series_of_which_nothing_can_be_booked(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(BOOK_SERIES, desk.refused_series(NINE, NINE + desk.WEEK), 409)
    refused = await browser.submit(details(), NEW, TYPED | {"repeat": "week", "count": "2"})
    assert refused.text.count(", 09:00: ") == 2
    assert 'id="skip"' not in refused.text


async def test_leaving_out_stays_chosen_where_something_else_is_wrong(
    gateway: Script, browser: Browser
) -> None:
    typed = TYPED | {"repeat": "week", "count": "3", "skip": "yes", "email": ""}
    refused = await browser.submit(details(), NEW, typed)
    assert " checked" in field(refused.text, "skip")
    assert 'id="skip"' not in (await browser.get(details())).text


@pytest.mark.parametrize("detail", ["Input should be less than or equal to 52", "makes a series of fewer"])
async def test_how_often_is_refused_at_its_field(gateway: Script, browser: Browser, detail: str) -> None:
    gateway.refuse(BOOK_SERIES, 422, "invalid", "…", rule__count=detail)
    refused = await browser.submit(details(), NEW, TYPED | {"repeat": "month", "count": "60"})
    assert 'id="count-fault">This m' in refused.text
    assert chosen(refused.text, "repeat") == ["month"]


def shown(gateway: Script, series: list[dict[str, object]], place: int = 0) -> None:
    """Of the series, the appointment at this place is looked at."""
    gateway.on(LIST, samples.page(*series))
    gateway.on(READ, series[place] | {"id": str(samples.APPOINTMENT)})


@pytest.mark.usefixtures("as_staff")
async def test_one_of_a_series_says_so_and_leads_to_the_others(gateway: Script, browser: Browser) -> None:
    series = desk.weekly(NINE)
    shown(gateway, series)
    page = (await browser.get(PAGE)).text
    (asked,) = gateway.asked(LIST)
    assert asked.query["series"] == str(desk.SERIES)
    assert "One of a series" in page
    assert "<caption>3 appointments</caption>" in page
    for item in series[1:]:
        assert f'href="/dashboard/appointments/{item["id"]}"' in page
    assert f'href="{PAGE}"' not in page


async def test_one_of_no_series_says_nothing(gateway: Script, browser: Browser) -> None:
    gateway.on(READ, samples.appointment(NINE))
    page = (await browser.get(PAGE)).text
    assert "series" not in page
    assert gateway.asked(LIST) == []
    token = hidden_fields(page, f"{PAGE}/notes")["form_token"]
    sent = await browser.post(YES, data={"form_token": token})
    assert sent.headers["location"] == PAGE


@pytest.mark.usefixtures("as_staff")
async def test_the_rest_of_a_series_is_cancelled_from_there_on_by_two_presses(
    gateway: Script, browser: Browser
) -> None:
    series = desk.weekly(NINE, 4)
    series[3]["status"] = "cancelled"
    shown(gateway, series, 1)
    gateway.on(CANCEL, desk.cancelled_rest(series[1:3]))
    page = (await browser.get(PAGE)).text
    assert page.index('<details class="danger">') < page.index(f'action="{YES}"') < page.index("</details>")
    second, third = NINE + desk.WEEK, NINE + 2 * desk.WEEK
    assert (
        f"2 appointments, from {second:%A}, {second.day} {second:%B} {second.year}"
        f" to {third:%A}, {third.day} {third:%B} {third.year}:" in page
    )
    sent = await browser.submit(PAGE, YES)
    assert (sent.status_code, sent.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(CANCEL)
    assert asked.body == {"from": series[1]["starts_at"]}
    assert "Cancelled 2 appointments; the customer is told by e-mail." in (await browser.get(PAGE)).text


async def test_of_a_series_that_has_begun_what_is_to_come_is_cancelled(
    gateway: Script, browser: Browser
) -> None:
    begun = NINE - desk.WEEK
    shown(gateway, desk.weekly(begun, 2))
    assert hidden_fields((await browser.get(PAGE)).text, YES)["from"] == desk.weekly(begun, 2)[1]["starts_at"]
    assert (
        f"The appointment on {NINE:%A}, {NINE.day} {NINE:%B} {NINE.year}:" in (await browser.get(PAGE)).text
    )


async def test_where_nothing_is_to_come_there_is_nothing_to_cancel(gateway: Script, browser: Browser) -> None:
    for series in (desk.weekly(NINE - 3 * desk.WEEK, 3), desk.weekly(NINE, status="cancelled")):
        shown(gateway, series)
        page = (await browser.get(PAGE)).text
        assert "One of a series" in page
        assert YES not in page


async def test_a_cancellation_that_is_repeated_says_how_it_stands(gateway: Script, browser: Browser) -> None:
    shown(gateway, desk.weekly(NINE))
    gateway.on(CANCEL, desk.cancelled_rest([]))
    await browser.submit(PAGE, YES)
    assert "They are cancelled already." in (await browser.get(PAGE)).text
    gateway.on(CANCEL, desk.cancelled_rest(desk.weekly(NINE, 1)))
    await browser.submit(PAGE, YES)
    assert "Cancelled 1 appointment; the customer is told by e-mail." in (await browser.get(PAGE)).text


async def test_what_has_begun_since_the_page_was_shown_is_decided_anew(
    gateway: Script, browser: Browser
) -> None:
    shown(gateway, desk.weekly(NINE))
    gateway.refuse(CANCEL, 422, "invalid", "…", **{"from": "lies in the past"})
    await browser.submit(PAGE, YES)
    page = (await browser.get(PAGE)).text
    assert "has begun by now" in page
    assert 'class="notice bad"' in page
