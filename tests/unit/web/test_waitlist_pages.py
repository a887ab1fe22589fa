"""The waitlist's pages: asking to be told on an empty week or day, and the link that takes an offered time."""

import datetime as dt
import re
from typing import Any

import pytest

from support import web_samples as samples
from support.web_site import Browser, Script, hidden_fields
from unit.web.open_business import (
    BUSINESS,
    DOG,
    FREE,
    LENGTH,
    LISBON,
    NINE,
    PICKER,
    QUESTIONS,
    RULES,
)

JOIN = "POST /v1/public/riverside/waitlist"
LINK = f"/waitlist/{samples.TOKEN}"
PLACE = f"GET /v1/public{LINK}"
ACCEPT = f"POST /v1/public{LINK}/accept"
ACTION = "/b/riverside/waitlist"


def full(gateway: Script) -> None:
    """Nothing is free in the coming weeks."""
    gateway.on(BUSINESS, samples.business())
    gateway.on(FREE, samples.availability())
    gateway.on(JOIN, samples.place(NINE), 201)
    gateway.on(PLACE, samples.place(NINE))


def every_day() -> dict[str, Any]:
    return samples.availability(*(NINE + dt.timedelta(days=ahead) for ahead in range(-3, 4)))


async def test_a_week_without_a_free_time_offers_to_tell_of_one(gateway: Script, browser: Browser) -> None:
    full(gateway)
    browser.headers["accept-language"] = "pt-PT,pt;q=0.9"
    sent = await browser.submit(PICKER, ACTION, {"name": "Lin Chen", "email": "lin@example.com"})
    assert (sent.status_code, sent.headers["location"]) == (303, LINK)
    (asked,) = gateway.asked(JOIN)
    assert asked.headers["idempotency-key"]
    today = dt.datetime.now(LISBON).date()
    midnight = dt.datetime.combine(today, dt.time(), LISBON)
    assert dt.datetime.fromisoformat(asked.body.pop("from")) == midnight
    until = dt.datetime.combine(today + dt.timedelta(days=7), dt.time(), LISBON)
    assert dt.datetime.fromisoformat(asked.body.pop("to")) == until
    assert asked.body == {
        "service_id": str(samples.SERVICE),
        "customer": {"name": "Lin Chen", "email": "lin@example.com", "locale": "pt-PT"},
        "consent": {"email": True},
        "timezone": samples.ZONE,
    }
    page = (await browser.get(LINK)).text
    assert "You are on the waitlist" in page
    assert f"http://slotwright.test{LINK}" in page


async def test_the_person_and_the_week_that_are_shown_are_waited_for(
    gateway: Script, browser: Browser
) -> None:
    full(gateway)
    day = dt.datetime.now(LISBON).date() + dt.timedelta(days=14)
    shown = f"{PICKER}&staff={samples.ADA}&date={day.isoformat()}"
    await browser.submit(shown, ACTION, {"name": "Lin", "email": "lin@example.com"})
    body = gateway.asked(JOIN)[0].body
    assert body["staff_id"] == str(samples.ADA)
    assert dt.datetime.fromisoformat(body["from"]).astimezone(LISBON).date() == day


async def test_of_a_week_with_free_times_a_day_that_is_full_is_waited_for(
    gateway: Script, browser: Browser
) -> None:
    full(gateway)
    gateway.on(FREE, samples.availability(NINE))
    days = re.findall(r'<option value="([^"]+)"', (await browser.get(PICKER)).text)
    today = dt.datetime.now(LISBON).date()
    week = [today + dt.timedelta(days=ahead) for ahead in range(7)]
    assert days == [day.isoformat() for day in week if day != NINE.date()]
    typed = {"day": days[-1], "name": "Lin", "email": "lin@example.com"}
    refused = await browser.submit(PICKER, ACTION, typed | {"name": ""})
    assert f'<option value="{days[-1]}" selected>' in refused.text
    await browser.submit(PICKER, ACTION, typed)
    body = gateway.asked(JOIN)[0].body
    begin, end = (dt.datetime.fromisoformat(body[name]).astimezone(LISBON) for name in ("from", "to"))
    assert (begin.date(), end.date()) == (week[6], week[6] + dt.timedelta(days=1))
    assert (begin.time(), end.time()) == (dt.time(), dt.time())


async def test_a_week_with_free_times_on_each_day_has_no_such_form(gateway: Script, browser: Browser) -> None:
    full(gateway)
    gateway.on(FREE, every_day())
    assert ACTION not in (await browser.get(PICKER)).text


async def test_what_is_missing_or_refused_is_said_at_its_field_and_kept(
    gateway: Script, browser: Browser
) -> None:
    full(gateway)
    empty = await browser.submit(PICKER, ACTION, {"name": "", "email": "lin@example.com"})
    assert empty.status_code == 422
    assert 'id="name-fault">This is needed.' in empty.text
    assert 'value="lin@example.com"' in empty.text
    assert gateway.asked(JOIN) == []
    gateway.refuse(JOIN, 422, "invalid", "…", customer__email="Value error, must be an e-mail address")
    refused = await browser.submit(PICKER, ACTION, {"name": "<Lin>", "email": "nope"})
    assert refused.status_code == 422
    assert 'id="email-fault">This must be an e-mail address.' in refused.text
    assert "&lt;Lin&gt;" in refused.text
    gateway.refuse(JOIN, 403, "tenant-suspended", "Riverside Barbers takes no changes.")
    assert (
        "takes no changes" in (await browser.submit(PICKER, ACTION, {"name": "Lin", "email": "l@e.de"})).text
    )


@pytest.mark.parametrize(
    ("status", "slug", "words"),
    [
        (409, "already-waiting", "You are on the waitlist for this already."),
        (
            429,
            "too-many-waitlist-entries",
            "From your internet connection as many people are on this waitlist",
        ),
    ],
)
async def test_who_cannot_be_put_on_the_list_is_told_in_words_and_what_was_typed_is_kept(
    gateway: Script, browser: Browser, status: int, slug: str, words: str
) -> None:
    full(gateway)
    gateway.refuse(JOIN, status, slug, "For who builds on the API.")
    refused = await browser.submit(PICKER, ACTION, {"name": "Lin", "email": "lin@example.com"})
    assert refused.status_code == status
    assert words in refused.text
    assert "For who builds" not in refused.text
    assert 'value="lin@example.com"' in refused.text


async def test_the_form_keeps_its_key_until_it_has_put_somebody_else_on_the_list(
    gateway: Script, browser: Browser
) -> None:
    full(gateway)
    fields = hidden_fields((await browser.get(PICKER)).text, ACTION) | {
        "name": "",
        "email": "lin@example.com",
    }
    missing = await browser.post(ACTION, data=fields)
    assert hidden_fields(missing.text, ACTION)["key"] == fields["key"]
    words = "This Idempotency-Key was used for a request with another body; take a new key."
    gateway.refuse(JOIN, 422, "idempotency-key-reused", words)
    reused = await browser.post(ACTION, data=fields | {"name": "Lin"})
    assert "This form has put somebody on the waitlist before." in reused.text
    assert "Idempotency-Key" not in reused.text
    assert hidden_fields(reused.text, ACTION)["key"] != fields["key"]


async def test_a_refusal_is_said_also_when_something_has_become_free_meanwhile(
    gateway: Script, browser: Browser
) -> None:
    full(gateway)
    gateway.refuse(JOIN, 409, "already-waiting", "…")
    shown = [samples.availability(), every_day()]
    gateway.on(FREE, lambda _call: (200, shown.pop(0) if len(shown) > 1 else shown[0]))
    refused = await browser.submit(PICKER, ACTION, {"name": "Lin", "email": "lin@example.com"})
    assert "You are on the waitlist for this already." in refused.text
    assert ACTION not in refused.text


async def test_an_offered_time_is_shown_and_taken(gateway: Script, browser: Browser) -> None:
    gateway.on(PLACE, samples.place(NINE, offered=True))
    page = (await browser.get(LINK)).text
    assert "A time is free for you" in page
    assert ">09:00</time>" in page
    assert "08:00. After that it goes to the next in line." in page
    assert "<dd>Ada</dd>" in page
    assert 'class="field"' not in page, "nothing is asked"
    gateway.on(ACCEPT, samples.booked(NINE), 201)
    taken = await browser.submit(LINK, f"{LINK}/accept")
    assert taken.headers["location"] == f"/appointments/{samples.TOKEN}?booked=1"
    (asked,) = gateway.asked(ACCEPT)
    assert asked.headers["idempotency-key"]
    assert asked.body is None


async def test_an_offer_that_has_run_out_says_so(gateway: Script, browser: Browser) -> None:
    gateway.on(PLACE, samples.place(NINE, offered=True))
    gateway.refuse(ACCEPT, 409, "offer-expired", "There is no offer to take, or no longer.")
    answer = await browser.submit(LINK, f"{LINK}/accept")
    assert answer.headers["location"] == LINK
    assert "There is no offer to take, or no longer." in (await browser.get(LINK)).text


def asking(gateway: Script) -> None:
    """A time is offered, of a service that has questions."""
    gateway.on(PLACE, samples.place(NINE, offered=True, questions=QUESTIONS))
    gateway.on(ACCEPT, samples.booked(NINE), 201)


async def test_what_the_service_asks_is_asked_and_answered(gateway: Script, browser: Browser) -> None:
    asking(gateway)
    page = (await browser.get(LINK)).text
    assert "Which &lt;dog&gt;?" in page
    assert '<option value="long">long</option>' in page
    assert 'role="alert"' not in page
    typed = {f"question-{DOG}": "Rex", f"question-{LENGTH}": "", f"question-{RULES}": "yes"}
    taken = await browser.submit(LINK, f"{LINK}/accept", typed)
    assert taken.headers["location"] == f"/appointments/{samples.TOKEN}?booked=1"
    assert gateway.asked(ACCEPT)[0].body == {
        "answers": [{"question_id": str(DOG), "answer": "Rex"}, {"question_id": str(RULES), "answer": True}]
    }


async def test_what_is_left_open_or_refused_is_said_at_its_field_and_the_rest_is_kept(
    gateway: Script, browser: Browser
) -> None:
    asking(gateway)
    missing = await browser.submit(LINK, f"{LINK}/accept", {f"question-{LENGTH}": "long"})
    assert missing.status_code == 422
    assert f'id="question-{DOG}-fault">This is needed.' in missing.text
    assert f'id="question-{RULES}-fault">This is needed.' in missing.text
    assert '<option value="long" selected>long</option>' in missing.text
    assert gateway.asked(ACCEPT) == []
    gateway.refuse(ACCEPT, 422, "invalid", "…", answers__1__answer="is none of the choices")
    typed = {f"question-{DOG}": "<Rex>", f"question-{LENGTH}": "medium", f"question-{RULES}": "yes"}
    refused = await browser.submit(LINK, f"{LINK}/accept", typed)
    assert refused.status_code == 422
    assert f'id="question-{LENGTH}-fault">This is none of the choices.' in refused.text
    assert 'value="&lt;Rex&gt;"' in refused.text
    assert "Take this time" in refused.text
    gateway.refuse(ACCEPT, 422, "invalid", "…", answers="'Whose dog?' needs an answer")
    asked_since = await browser.submit(LINK, f"{LINK}/accept", typed)
    assert "&#39;Whose dog?&#39; needs an answer." in asked_since.text, "there is no field yet to say it at"


async def test_an_offer_is_taken_under_one_key_however_often_its_answers_are_mended(
    gateway: Script, browser: Browser
) -> None:
    asking(gateway)
    action = f"{LINK}/accept"
    fields = hidden_fields((await browser.get(LINK)).text, action)
    missing = await browser.post(action, data=fields)
    assert missing.status_code == 422
    assert hidden_fields(missing.text, action)["key"] == fields["key"]
    words = "This Idempotency-Key was used for a request with another body; take a new key."
    gateway.refuse(ACCEPT, 422, "idempotency-key-reused", words)
    reused = await browser.post(action, data=fields | {f"question-{DOG}": "Rex", f"question-{RULES}": "yes"})
    assert "You have sent this before, with other answers: those count." in reused.text
    assert "Idempotency-Key" not in reused.text


async def test_a_plan_without_room_is_said_and_what_was_typed_is_kept(
    gateway: Script, browser: Browser
) -> None:
    asking(gateway)
    words = "The plan Pro allows 10 bookings a month; 10 are used."
    gateway.refuse(ACCEPT, 403, "quota-exceeded", words)
    typed = {f"question-{DOG}": "Rex", f"question-{RULES}": "yes"}
    answer = await browser.submit(LINK, f"{LINK}/accept", typed)
    assert answer.status_code == 403
    assert words in answer.text
    assert 'value="Rex"' in answer.text


async def test_who_sends_the_form_again_is_led_to_the_appointment(gateway: Script, browser: Browser) -> None:
    """By the back button, say, with nothing filled in: it is booked, so that nothing is asked any more."""
    asking(gateway)
    link = f"http://slotwright.test/appointments/{samples.TOKEN}"
    shown = [
        samples.place(NINE, offered=True, questions=QUESTIONS),
        samples.place(NINE, state="booked", questions=QUESTIONS, manage_url=link),
    ]
    gateway.on(PLACE, lambda _call: (200, shown.pop(0)))
    again = await browser.submit(LINK, f"{LINK}/accept")
    assert again.headers["location"] == f"/appointments/{samples.TOKEN}?booked=1"


async def test_who_waits_can_leave(gateway: Script, browser: Browser) -> None:
    gateway.on(PLACE, samples.place(NINE))
    gateway.on(f"DELETE /v1/public{LINK}", samples.place(NINE, state="left"))
    left = await browser.submit(LINK, f"{LINK}/leave")
    assert left.headers["location"] == LINK
    assert len(gateway.asked(f"DELETE /v1/public{LINK}")) == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("booked", "See your appointment"),
        ("left", "You are not on the waitlist"),
        ("removed", "You are not on the waitlist"),
        ("unanswered", "offered a time three times"),
        ("over", "has passed"),
    ],
)
async def test_what_is_over_offers_nothing_to_leave(
    gateway: Script, browser: Browser, state: str, words: str
) -> None:
    link = f"http://slotwright.test/appointments/{samples.TOKEN}" if state == "booked" else None
    gateway.on(PLACE, samples.place(NINE, state=state, manage_url=link))
    page = (await browser.get(LINK)).text
    assert words in page
    assert f"{LINK}/leave" not in page
    assert f"{LINK}/accept" not in page


async def test_an_unknown_link_is_a_page(browser: Browser) -> None:
    answer = await browser.get("/waitlist/AAAA")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
