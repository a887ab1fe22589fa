"""The business's waitlist: who waits for what, a time offered by hand, somebody taken off the list."""

import datetime as dt
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from contracts.booking import Consent
from support import web_samples as samples
from support import web_samples_waiting as waiting
from support.web_site import Browser, Script, hidden_fields
from unit.web.open_business import FREE, LISBON, NINE
from web.dashboard.waiting import wish

pytestmark = pytest.mark.usefixtures("signed_in")
PAGE = "/dashboard/waitlist"
LIST = "GET /v1/waitlist"
ENTRY = f"{LIST}/{samples.APPOINTMENT}"
CHOOSE = f"{PAGE}/{samples.APPOINTMENT}/offer"
OFFER = f"POST /v1/waitlist/{samples.APPOINTMENT}/offer"
REMOVE = f"DELETE /v1/waitlist/{samples.APPOINTMENT}"
MIDNIGHT = dt.datetime.combine(NINE.date(), dt.time(), LISBON)
DAY = dt.timedelta(days=1)
WAITS = waiting.entry(MIDNIGHT, MIDNIGHT + 2 * DAY)
AT = samples.availability(NINE)["slots"][0]["starts_at"]
CHOSEN = f"{CHOOSE}?date={NINE.date()}&at={quote(AT)}"


def in_line(gateway: Script, *entries: dict[str, Any]) -> None:
    """Of the list, whoever is in the state that is asked for, and for the service, all on one page."""

    def answer(call: Any) -> tuple[int, Any]:
        asked = {name: call.query.get(name) for name in ("state", "service")}
        found = [
            item
            for item in entries
            if asked["state"] in {None, item["state"]} and asked["service"] in {None, item["service_id"]}
        ]
        return 200, samples.page(*found)

    gateway.on(LIST, answer)
    gateway.refuse(ENTRY, 404, "not-found", "There is no such waitlist entry.")
    for item in entries:
        gateway.on(f"{LIST}/{item['id']}", item)


def offerable(gateway: Script) -> None:
    """Lin waits, and nine o'clock is free on the first of the two days."""
    in_line(gateway, WAITS)
    gateway.on(FREE, samples.availability(NINE))
    offered = waiting.offer(NINE, NINE - dt.timedelta(hours=1))
    gateway.on(OFFER, waiting.entry(MIDNIGHT, MIDNIGHT + DAY, state="offered", offer=offered, offers=1), 201)


async def test_the_list_says_who_waits_for_what_and_how_they_are_reached(
    gateway: Script, browser: Browser
) -> None:
    other = {"id": samples.HOLD, "staff_id": samples.GRACE, "service_id": UUID(int=77), "offers": 2}
    in_line(gateway, WAITS, waiting.entry(MIDNIGHT, MIDNIGHT + DAY, **other))
    page = (await browser.get(PAGE)).text
    assert "Lin &lt;Chen&gt;" in page
    assert "+351912345678 · lin@example.com" in page
    assert "<div>Haircut · with anyone</div>" in page
    assert "<div>a former service · with Grace</div>" in page
    assert page.count("let two offers pass") == 1
    assert page.count(f'href="{CHOOSE}"') == 1
    assert f"{samples.HOLD}/offer" not in page, "there are no times of what is not offered"
    days = (MIDNIGHT.date(), MIDNIGHT.date() + DAY)
    first, last = (f"{day:%a} {day.day} {day:%b}" for day in days)
    assert f'<div>{first}</div><div><span aria-hidden="true">–</span>' in page
    assert f"</span> {last}</div>" in page
    assert f"<div>{first}</div></div>" in page, "one day is said once"


async def test_whoever_has_an_offer_to_answer_stands_first_with_its_end(
    gateway: Script, browser: Browser
) -> None:
    until = dt.datetime.combine(dt.datetime.now(LISBON).date(), dt.time(23, 59), LISBON)
    offer = waiting.offer(NINE, until)
    state = {"id": samples.HOLD, "state": "offered", "offer": offer, "offers": 2}
    in_line(gateway, WAITS, waiting.entry(MIDNIGHT, MIDNIGHT + DAY, **state))
    page = (await browser.get(PAGE)).text
    assert page.index('<li class="offered">') < page.index('<li class="waiting">')
    offered = page[page.index('<li class="offered">') : page.index('<li class="waiting">')]
    assert ">09:00</time>–" in offered
    assert "· Ada; kept until 23:59" in offered
    assert "let one offer pass" in offered
    assert f"{samples.HOLD}/offer" not in offered, "who has an offer is made no other"
    assert f"{samples.HOLD}/remove" in offered
    assert "The time that is kept for Lin &lt;Chen&gt; becomes free." in offered


async def test_the_list_is_filtered_and_paged(gateway: Script, browser: Browser) -> None:
    following = {"waiting": "next+page", "offered": None}
    gateway.on(LIST, lambda call: (200, samples.page(WAITS, cursor=following[call.query["state"]])))
    page = await browser.get(f"{PAGE}?service={samples.SERVICE}")
    line, offered = (call.query for call in gateway.asked(LIST))
    assert line == {"state": "waiting", "limit": "50", "service": str(samples.SERVICE)}
    assert offered["state"] == "offered"
    assert offered["service"] == str(samples.SERVICE)
    assert f'href="{PAGE}?service={samples.SERVICE}&amp;cursor=next%2Bpage"' in page.text
    gateway.calls.clear()
    gateway.on(LIST, samples.page(WAITS))
    page = await browser.get(f"{PAGE}?service={samples.SERVICE}&cursor=next%2Bpage")
    (asked,) = gateway.asked(LIST)
    assert asked.query["cursor"] == "next+page"
    assert asked.query["state"] == "waiting", "who has an offer stood on the first page"
    assert 'rel="next"' not in page.text
    gateway.calls.clear()
    await browser.get(f"{PAGE}?show=waiting&service=x")
    assert [call.query.get("service") for call in gateway.asked(LIST)] == [None, None]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("booked", "booked"),
        ("left", "left by themselves"),
        ("removed", "taken off"),
        ("unanswered", "did not answer"),
        ("over", "days have passed"),
    ],
)
async def test_how_it_ended_is_listed_by_itself_and_nothing_can_be_done_to_it(
    gateway: Script, browser: Browser, state: str, words: str
) -> None:
    in_line(gateway, WAITS, waiting.entry(MIDNIGHT, MIDNIGHT + DAY, id=samples.HOLD, state=state))
    page = (await browser.get(f"{PAGE}?show={state}")).text
    assert f'<span class="status {state}">{words}</span>' in page
    assert f'<option value="{state}" selected>' in page
    assert page.count('class="who"') == 1
    assert "/remove" not in page
    assert "/offer" not in page


async def test_an_empty_list_says_how_somebody_comes_on_it(gateway: Script, browser: Browser) -> None:
    in_line(gateway)
    assert 'Nobody waits. On <a href="/b/riverside">' in (await browser.get(PAGE)).text
    assert "Nobody matches." in (await browser.get(f"{PAGE}?show=left")).text


@pytest.mark.parametrize(
    ("begins", "days", "hours", "words"),
    [
        (dt.timedelta(0), 1, dt.timedelta(0), ""),
        (dt.timedelta(0), 2, dt.timedelta(0), ""),
        (dt.timedelta(hours=9), 1, dt.timedelta(0), "from 09:00"),
        (dt.timedelta(hours=9), 1, dt.timedelta(hours=-6), "from 09:00 until 18:00"),
        (dt.timedelta(hours=9), 3, dt.timedelta(0), "from 09:00 on the first day"),
        (dt.timedelta(0), 3, dt.timedelta(hours=-6), "until 18:00 on the last day"),
    ],
)
def test_days_are_the_businesss_and_their_hours_said_where_they_are_not_whole(
    begins: dt.timedelta, days: int, hours: dt.timedelta, words: str
) -> None:
    midnight = dt.datetime(2030, 7, 1, tzinfo=LISBON)
    found = wish(waiting.entry(midnight + begins, midnight + days * DAY + hours), samples.ZONE)
    assert (found.first, found.last) == (dt.date(2030, 7, 1), dt.date(2030, 7, days))
    assert found.hours == words


def test_of_days_that_had_begun_when_somebody_joined_no_hour_is_said() -> None:
    joined = dt.datetime(2030, 7, 1, 14, 23, tzinfo=LISBON)
    entry = waiting.entry(joined, dt.datetime(2030, 7, 2, tzinfo=LISBON), created_at=joined)
    assert wish(entry, samples.ZONE).hours == ""


async def test_somebody_is_taken_off_by_two_presses(gateway: Script, browser: Browser) -> None:
    in_line(gateway, WAITS)
    gateway.on(REMOVE, None, 204)
    listed = f"{PAGE}?service={samples.SERVICE}&cursor=later"
    page = (await browser.get(listed)).text
    action = f"{PAGE}/{samples.APPOINTMENT}/remove"
    assert page.index("<details") < page.index(f'action="{action}"') < page.index("</details>")
    sent = await browser.submit(listed, action)
    assert (sent.status_code, sent.headers["location"]) == (303, listed)
    assert len(gateway.asked(REMOVE)) == 1
    assert "They are no longer on the waitlist." in (await browser.get(listed)).text


async def test_who_has_gone_meanwhile_is_said_to_be(gateway: Script, browser: Browser) -> None:
    in_line(gateway, WAITS)
    gateway.refuse(REMOVE, 404, "not-found", "Nobody waits under this id.")
    await browser.submit(PAGE, f"{PAGE}/{samples.APPOINTMENT}/remove")
    assert "They do not wait any more" in (await browser.get(PAGE)).text
    for there in ((), (waiting.entry(MIDNIGHT, MIDNIGHT + DAY, state="offered"),)):
        in_line(gateway, *there)
        answer = await browser.get(CHOOSE)
        assert answer.headers["location"] == PAGE
        assert "They do not wait any more" in (await browser.get(PAGE)).text


async def test_free_times_are_those_of_their_days_first(gateway: Script, browser: Browser) -> None:
    offerable(gateway)
    gateway.on(FREE, samples.availability(NINE, NINE + 2 * DAY))
    page = (await browser.get(CHOOSE)).text
    assert gateway.asked(FREE)[0].query["from"] == NINE.date().isoformat()
    assert "staff" not in gateway.asked(FREE)[0].query
    assert page.count(">09:00</time>") == 2
    assert page.count("not asked for") == 1, "the day behind theirs"
    assert "Lin &lt;Chen&gt;" in page
    other = NINE.date() + 7 * DAY
    await browser.get(f"{CHOOSE}?date={other.isoformat()}")
    assert gateway.asked(FREE)[1].query["from"] == other.isoformat()


async def test_a_chosen_time_is_offered_by_a_second_press(gateway: Script, browser: Browser) -> None:
    offerable(gateway)
    page = (await browser.get(CHOOSE)).text
    assert f'name="at" value="{AT}"' in page
    assert f'<form method="post" action="{CHOOSE}"' not in page
    assert gateway.asked(OFFER) == []
    sent = await browser.submit(CHOSEN, CHOOSE)
    assert (sent.status_code, sent.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(OFFER)
    assert asked.body == {"starts_at": AT}
    assert asked.headers["idempotency-key"]
    assert "The time is kept for Lin &lt;Chen&gt;, who is told by e-mail." in (await browser.get(PAGE)).text


async def test_who_is_free_then_can_be_named(gateway: Script, browser: Browser) -> None:
    offerable(gateway)
    page = (await browser.get(CHOSEN)).text
    assert f'<option value="{samples.ADA}">Ada</option>' in page
    assert "Grace" not in page, "who is not free then"
    await browser.submit(CHOSEN, CHOOSE, {"staff": str(samples.ADA)})
    assert gateway.asked(OFFER)[0].body == {"starts_at": AT, "staff_id": str(samples.ADA)}


async def test_who_was_asked_for_is_offered_or_anyone(gateway: Script, browser: Browser) -> None:
    offerable(gateway)
    in_line(gateway, waiting.entry(MIDNIGHT, MIDNIGHT + DAY, staff_id=samples.GRACE))
    page = (await browser.get(CHOOSE)).text
    assert gateway.asked(FREE)[0].query["staff"] == str(samples.GRACE)
    assert f'href="{CHOOSE}?date={NINE.date()}&amp;anyone=1"' in page
    await browser.submit(CHOSEN, CHOOSE)
    assert gateway.asked(OFFER)[0].body["staff_id"] == str(samples.GRACE)
    gateway.calls.clear()
    await browser.submit(f"{CHOSEN}&anyone=1", CHOOSE)
    assert "staff" not in gateway.asked(FREE)[0].query
    assert "staff_id" not in gateway.asked(OFFER)[0].body


async def test_of_somebody_who_does_it_no_longer_the_times_of_the_others_are_shown(
    gateway: Script, browser: Browser
) -> None:
    in_line(gateway, waiting.entry(MIDNIGHT, MIDNIGHT + DAY, staff_id=samples.GRACE))
    fault = {"pointer": "?staff", "detail": "does not perform this service"}
    refused = (422, {"title": "x", "detail": "x", "errors": [fault]})
    free = (200, samples.availability(NINE))
    gateway.on(FREE, lambda call: refused if "staff" in call.query else free)
    page = (await browser.get(CHOOSE)).text
    assert "does not do this any more" in page
    assert ">09:00</time>" in page
    fault["pointer"] = "?service"
    gateway.on(FREE, lambda _call: refused)
    assert (await browser.get(CHOOSE)).headers["location"] == PAGE
    assert "This service is no longer offered" in (await browser.get(PAGE)).text


@pytest.mark.parametrize(
    ("slug", "status", "pointer", "detail", "words"),
    [
        ("slot-taken", 409, "", "Taken.", "That time is no longer free."),
        (
            "invalid",
            422,
            "starts_at",
            "lies in the past",
            "This time lies in the past. Please choose another.",
        ),
    ],
)
async def test_a_time_that_cannot_be_offered_leads_to_the_others(
    gateway: Script, browser: Browser, slug: str, status: int, pointer: str, detail: str, words: str
) -> None:
    offerable(gateway)
    gateway.refuse(OFFER, status, slug, detail, **({pointer: detail} if pointer else {}))
    refused = await browser.submit(CHOSEN, CHOOSE)
    assert refused.status_code == status
    assert words in refused.text
    assert f'<button class="slot" name="at" value="{AT}">' in refused.text


async def test_what_is_refused_otherwise_is_said_at_the_time_that_was_chosen(
    gateway: Script, browser: Browser
) -> None:
    offerable(gateway)
    gateway.refuse(OFFER, 422, "invalid", "…", staff_id="does not perform this service")
    fields = hidden_fields((await browser.get(CHOSEN)).text, CHOOSE)
    refused = await browser.post(CHOOSE, data=fields | {"staff": str(samples.ADA)})
    assert hidden_fields(refused.text, CHOOSE)["key"] == fields["key"]
    assert 'id="staff-fault">This person does not perform this service.' in refused.text
    assert f'<option value="{samples.ADA}" selected>' in refused.text
    assert hidden_fields(refused.text, CHOOSE)["at"] == AT
    gateway.refuse(OFFER, 403, "tenant-suspended", "Riverside Barbers takes no changes.")
    refused = await browser.submit(CHOSEN, CHOOSE)
    assert refused.status_code == 403
    assert "Riverside Barbers takes no changes." in refused.text
    assert hidden_fields(refused.text, CHOOSE)["at"] == AT


async def test_a_time_that_is_gone_when_it_is_looked_at_is_said_to_be(
    gateway: Script, browser: Browser
) -> None:
    offerable(gateway)
    for at in (quote((NINE + DAY).isoformat()), "nine"):
        page = (await browser.get(f"{CHOOSE}?date={NINE.date()}&at={at}")).text
        assert "That time is no longer free." in page
        assert ">09:00</time>" in page


async def test_a_business_that_is_suspended_offers_no_times(gateway: Script, browser: Browser) -> None:
    offerable(gateway)
    gateway.on("GET /v1/business", samples.profile(state="suspended"))
    for page in (CHOOSE, CHOSEN):
        shown = (await browser.get(page)).text
        assert "This business is suspended: no time can be offered." in shown
        assert 'class="slot"' not in shown
        assert f'action="{CHOOSE}"' not in shown


async def test_who_takes_no_mails_is_to_be_told_in_another_way(gateway: Script, browser: Browser) -> None:
    offerable(gateway)
    assert "takes no e-mails" not in (await browser.get(CHOOSE)).text
    without = waiting.entry(MIDNIGHT, MIDNIGHT + DAY)
    without["customer"]["consent"] = Consent(email=False, sms=False).model_dump(mode="json")
    in_line(gateway, without)
    assert "takes no e-mails any more: tell them yourself" in (await browser.get(CHOOSE)).text
    assert "is told by e-mail" not in (await browser.get(CHOSEN)).text
    gateway.on(OFFER, without, 201)
    await browser.submit(CHOSEN, CHOOSE)
    assert "Tell them: they take no e-mails." in (await browser.get(PAGE)).text


@pytest.mark.usefixtures("as_staff")
async def test_staff_do_all_of_it(gateway: Script, browser: Browser) -> None:
    offerable(gateway)
    page = (await browser.get(PAGE)).text
    assert f'<a href="{PAGE}" aria-current="page">Waitlist</a>' in page
    assert f"{samples.APPOINTMENT}/remove" in page
    assert (await browser.submit(CHOSEN, CHOOSE)).status_code == 303
