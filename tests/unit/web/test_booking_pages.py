"""From a chosen time to a booking: what the pages ask the API, what they show, and what when it refuses."""

import datetime as dt
import re
from html.parser import HTMLParser
from uuid import UUID

import pytest

from support import web_samples as samples
from support.web_site import Browser, Script, hidden_fields
from unit.web.open_business import (
    BOOK,
    BUSINESS,
    DOG,
    HOLDS,
    LENGTH,
    NINE,
    PICKER,
    QUESTIONS,
    RULES,
    TOO_SOON,
    open_for_booking,
)

GIVE_BACK = f"DELETE /v1/public/riverside/holds/{samples.HOLD}"
DETAILS = {"name": "Lin Chen", "email": "lin@example.com", "consent_email": "yes"}


def details_page(*, hold: str = str(samples.HOLD), starts: dt.datetime = NINE) -> str:
    query = f"service={samples.SERVICE}&staff=&starts_at={starts.isoformat().replace('+', '%2B')}"
    return f"/b/riverside/details?{query}&timezone={samples.ZONE}&hold={hold}&until=2099-01-01T00:00:00Z"


class Fields(HTMLParser):
    """A page's fields and their attributes, as a browser reads them: by name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.of: dict[str, dict[str, str | None]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.of[dict(attrs)["name"] or ""] = dict(attrs)


async def test_a_time_is_held_and_then_booked_with_it(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    held = await browser.submit(PICKER, "/b/riverside/hold", {"starts_at": NINE.isoformat()})
    assert held.status_code == 303
    asked = gateway.asked(HOLDS)[0]
    assert asked.body == {"service_id": str(samples.SERVICE), "starts_at": NINE.isoformat()}
    assert asked.headers["idempotency-key"]

    details = held.headers["location"]
    assert "kept for you for 5 minutes" in (await browser.get(details)).text
    booked = await browser.submit(details, "/b/riverside/appointments", DETAILS)
    assert booked.status_code == 303
    assert booked.headers["location"] == f"/appointments/{samples.TOKEN}?booked=1"
    asked = gateway.asked(BOOK)[0]
    assert asked.body == {
        "service_id": str(samples.SERVICE),
        "starts_at": NINE.isoformat(),
        "customer": {"name": "Lin Chen", "email": "lin@example.com"},
        "consent": {"email": True, "sms": False},
        "hold_id": str(samples.HOLD),
        "timezone": samples.ZONE,
    }
    page = await browser.get(booked.headers["location"])
    assert "You are booked" in page.text
    assert f"http://slotwright.test/appointments/{samples.TOKEN}" in page.text


async def test_a_form_has_one_key_for_as_long_as_its_time_is_held(gateway: Script, browser: Browser) -> None:
    """Whoever's answer was lost goes back, which loads the page anew, and sends it again."""
    open_for_booking(gateway)
    for held in (samples.HOLD, samples.HOLD, DOG):
        await browser.submit(details_page(hold=str(held)), "/b/riverside/appointments", DETAILS)
    assert [call.headers["idempotency-key"] for call in gateway.asked(BOOK)] == [
        str(samples.HOLD),
        str(samples.HOLD),
        str(DOG),
    ]


@pytest.mark.parametrize("hold", ["", "nothing", "a%0D%0AX-Role:+owner", "%C3%A9"])
async def test_a_form_without_a_hold_has_a_key_of_its_own(
    gateway: Script, browser: Browser, hold: str
) -> None:
    open_for_booking(gateway)
    page = (await browser.get(details_page(hold=hold))).text
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)) | DETAILS
    for _ in range(2):
        await browser.post("/b/riverside/appointments", data=fields)
    await browser.submit(details_page(hold=hold), "/b/riverside/appointments", DETAILS)
    first, second, third = (call.headers["idempotency-key"] for call in gateway.asked(BOOK))
    assert first == second
    assert third != first
    assert UUID(first)


async def test_who_has_booked_already_and_sends_something_else_is_told_so(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    gateway.refuse(BOOK, 422, "idempotency-key-reused", "This Idempotency-Key was used before.")
    answer = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS)
    assert answer.status_code == 422
    assert "You have booked this time already." in answer.text
    assert "Idempotency-Key" not in answer.text
    assert "This time is kept for you" not in answer.text
    assert hidden_fields(answer.text, "/b/riverside/appointments")["key"] == str(samples.HOLD)


@pytest.mark.parametrize("key", ["a\r\nX-Role: owner", "é", "k" * 101, ""])
async def test_a_key_that_no_page_gave_is_replaced(gateway: Script, browser: Browser, key: str) -> None:
    open_for_booking(gateway)
    held = await browser.submit(PICKER, "/b/riverside/hold", {"starts_at": NINE.isoformat(), "key": key})
    assert held.status_code == 303
    booked = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS | {"key": key})
    assert booked.status_code == 303
    (first,), (second,) = gateway.asked(HOLDS), gateway.asked(BOOK)
    for call, length in ((first, 36 + 11), (second, 36)):
        assert len(call.headers["idempotency-key"]) == length


async def test_a_hold_that_has_run_out_is_taken_anew(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    answers = [samples.hold(NINE, minutes=-1), samples.hold(NINE)]
    gateway.on(HOLDS, lambda call: (201, answers.pop(0)))
    held = await browser.submit(PICKER, "/b/riverside/hold", {"starts_at": NINE.isoformat()})
    assert held.status_code == 303
    first, second = gateway.asked(HOLDS)
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


async def test_who_wants_another_time_gives_this_one_back(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.on(GIVE_BACK, None, 204)
    back = await browser.submit(details_page(), "/b/riverside/another-time")
    assert back.status_code == 303
    assert back.headers["location"].startswith(f"/b/riverside?service={samples.SERVICE}&")
    assert f"date={NINE.date().isoformat()}" in back.headers["location"]
    assert len(gateway.asked(GIVE_BACK)) == 1


async def test_what_cannot_be_given_back_keeps_nobody_from_choosing_anew(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    gateway.refuse(GIVE_BACK, 429, "too-many-requests", "Too many requests.")
    for page in (details_page(), details_page(hold=""), details_page(hold="../x")):
        back = await browser.submit(page, "/b/riverside/another-time")
        assert (back.status_code, back.headers["location"][:13]) == (303, "/b/riverside?")
    assert len(gateway.asked(GIVE_BACK)) == 1


async def test_who_holds_too_many_times_is_told_in_words(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.refuse(HOLDS, 429, "too-many-holds", "From one address 10 times can be held at once.")
    answer = await browser.submit(PICKER, "/b/riverside/hold", {"starts_at": NINE.isoformat()})
    assert answer.status_code == 303
    assert "10 times can be held" in (await browser.get(answer.headers["location"])).text


async def test_a_time_taken_meanwhile_leads_back_to_what_is_free(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.refuse(HOLDS, 409, "slot-taken", "This time is taken.")
    answer = await browser.submit(PICKER, "/b/riverside/hold", {"starts_at": NINE.isoformat()})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/b/riverside?service=")
    assert f"date={NINE.date().isoformat()}" in answer.headers["location"]
    page = await browser.get(answer.headers["location"])
    assert "has just taken that time" in page.text
    again = await browser.get(answer.headers["location"])
    assert "has just taken that time" not in again.text, "a notice is shown once"


async def test_slot_taken_at_booking_leads_back_too(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.refuse(BOOK, 409, "slot-taken", "This time is taken.")
    answer = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS)
    assert answer.headers["location"].startswith("/b/riverside?")
    assert f"date={NINE.date().isoformat()}" in answer.headers["location"]


async def test_an_expired_hold_keeps_what_was_typed(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.refuse(BOOK, 409, "hold-expired", "The hold has expired.")
    answer = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS)
    assert answer.status_code == 409
    assert 'value="Lin Chen"' in answer.text
    assert not hidden_fields(answer.text, "/b/riverside/appointments")["hold"]
    given_back = f"DELETE /v1/public/riverside/holds/{samples.HOLD}"
    assert len(gateway.asked(given_back)) == 1, "it may stand yet, and be in the way of the next try"


async def test_a_form_keeps_its_key_when_its_hold_has_expired(gateway: Script, browser: Browser) -> None:
    """Whoever's answer to the next try is lost has the expired form again, or the fault in it, by going back."""
    open_for_booking(gateway)
    gateway.refuse(BOOK, 409, "hold-expired", "The hold has expired.")
    action = "/b/riverside/appointments"
    expired = await browser.submit(details_page(), action, DETAILS)
    incomplete = await browser.post(action, data=hidden_fields(expired.text, action) | {"name": ""})
    assert incomplete.status_code == 422
    keys = {hidden_fields(page.text, action)["key"] for page in (expired, incomplete)}
    assert keys == {str(samples.HOLD)}


async def test_what_is_missing_is_said_at_its_field(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    answer = await browser.submit(
        details_page(), "/b/riverside/appointments", {"name": "", "email": "x", "consent_sms": "yes"}
    )
    assert answer.status_code == 422
    assert 'id="name-fault">This is needed.' in answer.text
    assert 'id="phone-fault">A number is needed' in answer.text
    assert gateway.asked(BOOK) == []


async def test_the_apis_faults_stand_at_their_fields(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.refuse(
        BOOK,
        422,
        "invalid",
        "…",
        customer__email="Value error, must be an e-mail address",
        customer__phone="String should match pattern '^x$'",
    )
    answer = await browser.submit(
        details_page(), "/b/riverside/appointments", DETAILS | {"email": "<nope>", "phone": "123"}
    )
    assert answer.status_code == 422
    assert 'id="email-fault">This must be an e-mail address.' in answer.text
    assert "with its country code" in answer.text
    assert "&lt;nope&gt;" in answer.text
    assert 'aria-invalid="true"' in answer.text


async def test_a_field_tells_a_screen_reader_its_hint_its_fault_and_that_it_is_needed(
    gateway: Script, browser: Browser
) -> None:
    open_for_booking(gateway)
    gateway.refuse(BOOK, 422, "invalid", "…", consent="is wrong", customer__phone="is wrong")
    shown = Fields((await browser.get(details_page())).text).of
    assert [("required" in shown[name], "aria-invalid" in shown[name]) for name in ("name", "phone")] == [
        (True, False),
        (False, False),
    ]
    assert shown["phone"]["aria-describedby"] == "phone-hint "
    unnamed = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS | {"name": ""})
    named = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS)
    name = Fields(unnamed.text).of["name"]
    assert "required" in name
    assert (name["aria-invalid"], name["aria-describedby"]) == ("true", "name-fault")
    phone, consent = (Fields(named.text).of[field] for field in ("phone", "consent_email"))
    assert (phone["aria-invalid"], phone["aria-describedby"]) == ("true", "phone-hint phone-fault")
    assert "checked" in consent
    assert consent["aria-invalid"] == "true"


async def test_a_number_may_be_written_as_people_write_it(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    number = {"phone": "+44 (0)20 7946-0958"}
    await browser.submit(details_page(), "/b/riverside/appointments", DETAILS | number)
    assert gateway.asked(BOOK)[0].body["customer"]["phone"] == "+442079460958"


@pytest.mark.parametrize(
    ("languages", "locale"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de-DE"),
        ("de;q=0.9", "de"),
        ("*, zh-Hant-TW", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("english", None),
        ("", None),
    ],
)
async def test_messages_come_in_the_browsers_first_language(
    gateway: Script, browser: Browser, languages: str, locale: str | None
) -> None:
    open_for_booking(gateway)
    browser.headers["accept-language"] = languages
    await browser.submit(details_page(), "/b/riverside/appointments", DETAILS)
    assert gateway.asked(BOOK)[0].body["customer"].get("locale") == locale


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"starts_at": TOO_SOON}, f"This time {TOO_SOON}. Please choose another."),
        ({"staff_id": "does not perform this service"}, "This time can no longer be booked."),
        ({"starts_at": TOO_SOON, "customer__email": "must be an e-mail address"}, f"This time {TOO_SOON}."),
    ],
)
async def test_a_time_that_is_not_offered_any_more_is_said_so(
    gateway: Script, browser: Browser, faults: dict[str, str], words: str
) -> None:
    open_for_booking(gateway)
    gateway.refuse(BOOK, 422, "invalid", "…", **faults)
    answer = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS)
    assert answer.status_code == 422
    assert words in answer.text
    assert "what is marked below" not in answer.text
    assert ('id="email-fault"' in answer.text) is ("customer__email" in faults)
    assert 'value="Lin Chen"' in answer.text


async def test_a_time_that_cannot_be_held_is_said_so(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.refuse(HOLDS, 422, "invalid", TOO_SOON, starts_at=TOO_SOON)
    answer = await browser.submit(PICKER, "/b/riverside/hold", {"starts_at": NINE.isoformat()})
    assert (
        f"This time {TOO_SOON}. Please choose another."
        in (await browser.get(answer.headers["location"])).text
    )


async def test_a_quota_is_said_in_words(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    gateway.refuse(BOOK, 403, "quota-exceeded", "This business takes no more bookings this month.")
    answer = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS)
    assert answer.status_code == 403
    assert "takes no more bookings this month" in answer.text


async def test_a_time_that_is_none_leads_back(gateway: Script, browser: Browser) -> None:
    open_for_booking(gateway)
    for starts_at in ("soon", "2030-01-01T09:00:00", ""):
        answer = await browser.submit(PICKER, "/b/riverside/hold", {"starts_at": starts_at})
        assert answer.status_code == 303
    assert gateway.asked(HOLDS) == []
    assert (await browser.get("/b/riverside/details?service=x&starts_at=y")).status_code == 303


def asking(gateway: Script) -> None:
    open_for_booking(gateway)
    gateway.on(BUSINESS, samples.business(services=[samples.service(questions=QUESTIONS)]))


async def test_a_services_questions_are_asked_and_answered(gateway: Script, browser: Browser) -> None:
    asking(gateway)
    page = (await browser.get(details_page())).text
    assert "Which &lt;dog&gt;?" in page
    assert '<option value="long">long</option>' in page
    assert '<option value="as  it is">' in page, "of its text, browsers send one space"
    typed = {f"question-{DOG}": "Rex", f"question-{LENGTH}": "", f"question-{RULES}": "yes"}
    booked = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS | typed)
    assert booked.status_code == 303
    assert gateway.asked(BOOK)[0].body["answers"] == [
        {"question_id": str(DOG), "answer": "Rex"},
        {"question_id": str(RULES), "answer": True},
    ]


@pytest.mark.parametrize("required", [True, False])
async def test_a_question_of_any_kind_says_whether_it_may_be_left_open(
    gateway: Script, browser: Browser, *, required: bool
) -> None:
    open_for_booking(gateway)
    for asked in QUESTIONS:
        questions = [asked.model_copy(update={"required": required})]
        gateway.on(BUSINESS, samples.business(services=[samples.service(questions=questions)]))
        page = (await browser.get(details_page())).text
        label = re.search(rf'<label for="question-{asked.id}">(.*?)</label>', page)
        field = re.search(rf'<(?:input|select) id="question-{asked.id}"[^>]*>', page)
        assert label
        assert field
        assert ("optional" in label[1]) is not required
        assert (" required" in field[0]) is required


async def test_a_question_left_open_or_answered_wrongly_says_so_at_its_field(
    gateway: Script, browser: Browser
) -> None:
    asking(gateway)
    missing = await browser.submit(
        details_page(), "/b/riverside/appointments", DETAILS | {f"question-{LENGTH}": "long"}
    )
    assert missing.status_code == 422
    assert f'id="question-{DOG}-fault">This is needed.' in missing.text
    assert f'id="question-{RULES}-fault">This is needed.' in missing.text
    assert '<option value="long" selected>long</option>' in missing.text
    assert gateway.asked(BOOK) == []
    gateway.refuse(BOOK, 422, "invalid", "…", answers__1__answer="is none of the choices")
    typed = {f"question-{DOG}": "Rex", f"question-{LENGTH}": "medium", f"question-{RULES}": "yes"}
    refused = await browser.submit(details_page(), "/b/riverside/appointments", DETAILS | typed)
    assert refused.status_code == 422
    assert f'id="question-{LENGTH}-fault">This is none of the choices.' in refused.text
    assert 'value="Rex"' in refused.text
