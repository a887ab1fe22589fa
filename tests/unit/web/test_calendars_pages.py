"""A staff member's calendars on the dashboard: the address of their appointments, and what keeps them free."""

import datetime as dt

import pytest

from support import web_samples as samples
from support import web_samples_closures as closures
from support.web_site import Browser, Script

pytestmark = pytest.mark.usefixtures("signed_in")
PAGE = f"/dashboard/staff/{samples.ADA}/calendars"
FEED = f"/v1/staff-feeds/{samples.ADA}"
BUSY = f"/v1/busy-calendars/{samples.ADA}"
MADE, ENDED = "staff-feed.rotated", "staff-feed.withdrawn"
OTHER = "busy-calendar.set"
SINCE = dt.datetime(2030, 7, 16, 8, 30, tzinfo=dt.UTC)


def trail(gateway: Script, *actions: str) -> None:
    """The newest first, as the API lists them; each a day before the one above it."""
    entries = [closures.entry(action, SINCE - dt.timedelta(days=days)) for days, action in enumerate(actions)]
    gateway.on("GET /v1/audit", samples.page(*entries))


@pytest.fixture(autouse=True)
def _calendars(gateway: Script) -> None:
    """Ada has neither yet."""
    trail(gateway)
    gateway.on(f"POST {FEED}", closures.feed())
    gateway.on(f"DELETE {FEED}", None, 204)
    gateway.on(f"PUT {BUSY}", closures.busy_calendar())
    gateway.on(f"DELETE {BUSY}", None, 204)


async def test_who_has_no_address_is_offered_one_and_the_page_that_makes_it_shows_it(
    gateway: Script, browser: Browser
) -> None:
    page = (await browser.get(PAGE)).text
    assert "Make the address" in page
    assert "Make a new address" not in page
    assert f'action="{PAGE}/feed/end"' not in page
    assert gateway.asked("GET /v1/audit")[0].query["entity"] == str(samples.ADA)
    trail(gateway, MADE)
    answer = await browser.submit(PAGE, f"{PAGE}/feed")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert f'value="{closures.FEED}" readonly' in answer.text
    assert "It is shown only now" in answer.text
    assert len(gateway.asked(f"POST {FEED}")) == 1
    assert closures.FEED not in (await browser.get(PAGE)).text


@pytest.mark.parametrize("actions", [(MADE,), (OTHER, MADE), (MADE, ENDED, MADE)])
async def test_one_that_was_made_is_replaced_and_ended_by_two_presses(
    gateway: Script, browser: Browser, actions: tuple[str, ...]
) -> None:
    trail(gateway, *actions)
    page = (await browser.get(PAGE)).text
    day = 16 - actions.index(MADE)
    weekday = ("Tuesday", "Monday")[actions.index(MADE)]
    assert f"{weekday}, {day} July 2030, 09:30</time>" in page, "the time where Ada is"
    first = page.index("<details")
    assert first < page.index(f'action="{PAGE}/feed"') < page.index("</details>")
    second = page.index("<details", first + 1)
    assert second < page.index(f'action="{PAGE}/feed/end"') < page.index("</details>", second)
    answer = await browser.submit(PAGE, f"{PAGE}/feed/end")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert len(gateway.asked(f"DELETE {FEED}")) == 1


@pytest.mark.parametrize("actions", [(ENDED, MADE), (OTHER, ENDED, MADE), (OTHER,)])
async def test_one_that_was_ended_is_none(
    gateway: Script, browser: Browser, actions: tuple[str, ...]
) -> None:
    trail(gateway, *actions)
    page = (await browser.get(PAGE)).text
    assert "Make the address" in page
    assert f'action="{PAGE}/feed/end"' not in page


@pytest.mark.parametrize(("action", "path"), [("feed/end", FEED), ("busy/remove", BUSY)])
async def test_what_has_ended_already_has_ended(
    gateway: Script, browser: Browser, action: str, path: str
) -> None:
    trail(gateway, MADE)
    gateway.on(f"GET {BUSY}", closures.busy_calendar())
    gateway.refuse(f"DELETE {path}", 404, "not-found", "This staff member has no feed.")
    await browser.submit(PAGE, f"{PAGE}/{action}")
    page = (await browser.get(PAGE)).text
    assert "has no feed" not in page
    assert "any more" in page


async def test_why_it_cannot_be_ended_is_told(gateway: Script, browser: Browser) -> None:
    trail(gateway, MADE)
    gateway.refuse(f"DELETE {FEED}", 403, "forbidden", "Your role is staff; this needs owner.")
    await browser.submit(PAGE, f"{PAGE}/feed/end")
    assert "Your role is staff" in (await browser.get(PAGE)).text


async def test_another_calendar_is_followed(gateway: Script, browser: Browser) -> None:
    page = (await browser.get(PAGE)).text
    assert "Read last" not in page
    assert f'action="{PAGE}/busy/remove"' not in page
    answer = await browser.submit(PAGE, f"{PAGE}/busy", {"url": f" {closures.ELSEWHERE}"})
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(f"PUT {BUSY}")
    assert asked.body == {"url": closures.ELSEWHERE}


@pytest.mark.parametrize("scheme", ["webcal", "webcals", "WEBCAL"])
async def test_the_address_that_a_program_gives_to_subscribe_to_is_taken(
    gateway: Script, browser: Browser, scheme: str
) -> None:
    await browser.submit(PAGE, f"{PAGE}/busy", {"url": f"{scheme}://calendar.example/ada.ics"})
    assert gateway.asked(f"PUT {BUSY}")[0].body == {"url": closures.ELSEWHERE}


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("must begin with https://", "This must begin with https://."),
        ("must be a URL", "This must be a web address."),
        ("must lead to a public address", "This must lead to a public address."),
    ],
)
async def test_an_address_that_cannot_be_followed_is_said_and_kept(
    gateway: Script, browser: Browser, detail: str, words: str
) -> None:
    gateway.on(f"GET {BUSY}", closures.busy_calendar())
    gateway.refuse(f"PUT {BUSY}", 422, "invalid", detail, url=detail)
    answer = await browser.submit(PAGE, f"{PAGE}/busy", {"url": 'http://"x"'})
    assert answer.status_code == 422
    assert f'id="url-fault">{words}' in answer.text
    assert 'value="http://&#34;x&#34;"' in answer.text


async def test_no_address_is_none(gateway: Script, browser: Browser) -> None:
    answer = await browser.submit(PAGE, f"{PAGE}/busy", {"url": " "})
    assert answer.status_code == 422
    assert 'id="url-fault">This is needed.' in answer.text
    assert gateway.asked(f"PUT {BUSY}") == []


@pytest.mark.parametrize(("action", "route"), [("feed", f"POST {FEED}"), ("busy", f"PUT {BUSY}")])
async def test_who_was_added_a_moment_ago_is_not_known_everywhere(
    gateway: Script, browser: Browser, action: str, route: str
) -> None:
    gateway.refuse(route, 404, "not-found", "There is no such staff member.")
    answer = await browser.submit(PAGE, f"{PAGE}/{action}", {"url": closures.ELSEWHERE})
    assert answer.status_code == 404
    assert "<p>This person was added a moment ago. Try again in a few seconds.</p>" in answer.text


@pytest.mark.parametrize(
    ("changes", "words", "others"),
    [
        (
            {},
            'Read last on <time datetime="2030-01-15T12:00:00+00:00">Tuesday, 15 January 2030, 12:00</time>. '
            "14 times are kept free.",
            "cannot be read",
        ),
        ({"busy_times": 1}, "One time is kept free.", "cannot be read"),
        (
            {"last_fetch_at": None, "last_success_at": None, "busy_times": 0},
            "It has not been read yet",
            "Read last",
        ),
        (
            {"failing_since": SINCE, "fault": "answers with status 404", "last_fetch_at": SINCE},
            "Tuesday, 16 July 2030, 09:30</time>: it is not at this address. The times that it had on",
            "Read last",
        ),
        (
            {"failing_since": SINCE, "fault": "is not an iCalendar file", "last_success_at": None},
            "</time>: it is not a calendar file. It is tried again",
            "The times that it had",
        ),
        (
            {"failing_since": SINCE, "fault": "answers with status 500"},
            "it answers with an error (500).",
            "Read last",
        ),
        ({"failing_since": SINCE, "fault": "has a <b> name"}, "it has a &lt;b&gt; name.", "<b>"),
    ],
)
async def test_how_the_other_calendar_is_doing_is_told(
    gateway: Script, browser: Browser, changes: dict[str, object], words: str, others: str
) -> None:
    gateway.on(f"GET {BUSY}", closures.busy_calendar(**changes))
    page = (await browser.get(PAGE)).text
    assert words in page
    assert others not in page
    assert f'value="{closures.ELSEWHERE}"' in page


async def test_the_other_calendar_is_given_up_by_two_presses(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {BUSY}", closures.busy_calendar())
    page = (await browser.get(PAGE)).text
    assert page.index("<details") < page.index(f'action="{PAGE}/busy/remove"') < page.index("</details>")
    answer = await browser.submit(PAGE, f"{PAGE}/busy/remove")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert len(gateway.asked(f"DELETE {BUSY}")) == 1


@pytest.mark.usefixtures("as_staff")
async def test_calendars_are_for_owners(gateway: Script, browser: Browser) -> None:
    gateway.refuse(f"GET {BUSY}", 403, "forbidden", "Your role is staff; this needs owner.")
    answer = await browser.get(PAGE)
    assert answer.status_code == 403
    assert "This is not for you" in answer.text
