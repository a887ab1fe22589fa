"""The dashboard's pages of messages: what was sent or not and why, when none goes out, and to whom none goes."""

import re
from typing import Any, get_args
from uuid import UUID

import pytest

from contracts.booking import Channel
from notification.domain import MessageKind, Status
from notification.suppression import Reason
from support import web_samples as samples
from support import web_samples_messages as told
from support.web_site import Browser, Script, hidden_fields
from web.dashboard.blocked import REASONS
from web.dashboard.message_words import CHANNELS, KINDS, STATUSES

pytestmark = pytest.mark.usefixtures("signed_in")

MESSAGES = "/dashboard/messages"
LIST = "GET /v1/messages"
ONE = f"{MESSAGES}/{told.MESSAGE}"
READ = f"GET /v1/messages/{told.MESSAGE}"
HOURS = f"{MESSAGES}/quiet-hours"
BLOCKED = f"{MESSAGES}/blocked"
UNBLOCK = f"{BLOCKED}/{told.BLOCKED}/remove"
NOON = told.AT


def status_of(page: str) -> str:
    found = re.search(r'<span class="status [a-z]+">([^<]+)</span>', page)
    assert found
    return found[1]


def test_the_pages_know_what_notification_may_say() -> None:
    assert set(KINDS) == {kind for part in get_args(MessageKind) for kind in get_args(part) or (part,)}
    assert set(STATUSES) == set(Status)
    assert set(CHANNELS) == set(Channel)
    assert set(REASONS) == set(get_args(Reason))


# what was sent


async def test_messages_are_listed_in_the_businesss_time(gateway: Script, browser: Browser) -> None:
    waits = told.message(id=UUID(int=63), kind="booked", status=Status.QUEUED, recipient=None)
    gateway.on(LIST, samples.page(told.message(), waits))
    page = (await browser.get(MESSAGES)).text
    assert gateway.asked(LIST)[0].query == {"limit": "50"}
    assert ">21:15</time>" in page
    assert "to lin&lt;@example.com" in page
    assert f'<a href="{ONE}">Reminder</a>' in page
    assert re.findall(r'<span class="status ([a-z]+)">([^<]+)<', page) == [
        ("sent", "sent"),
        ("queued", "to be sent"),
    ]
    assert "Show more" not in page


async def test_the_list_is_filtered_and_paged(gateway: Script, browser: Browser) -> None:
    gateway.on(LIST, samples.page(told.message(), cursor="next+page"))
    appointment = str(samples.APPOINTMENT)
    query = f"status=sent&channel=email&appointment={appointment}"
    page = (await browser.get(f"{MESSAGES}?{query}")).text
    asked = {"limit": "50", "status": "sent", "channel": "email", "appointment_id": appointment}
    assert gateway.asked(LIST)[0].query == asked
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following
    await browser.get(following[1].replace("&amp;", "&"))
    assert gateway.asked(LIST)[1].query == asked | {"cursor": "next+page"}
    assert '<option value="sent" selected>' in page
    assert '<option value="email" selected>' in page
    assert hidden_fields(page, MESSAGES) == {"appointment": appointment}
    assert "Of one appointment." in page


async def test_a_filter_that_there_is_not_asks_for_all(gateway: Script, browser: Browser) -> None:
    gateway.on(LIST, samples.page())
    page = (await browser.get(f"{MESSAGES}?status=eaten&channel=pigeon&appointment=x")).text
    assert gateway.asked(LIST)[0].query == {"limit": "50"}
    assert "Nothing was sent yet." in page
    assert "No messages match." in (await browser.get(f"{MESSAGES}?status=failed")).text


async def test_an_appointment_leads_to_its_messages(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET /v1/appointments/{samples.APPOINTMENT}", samples.appointment(NOON))
    page = (await browser.get(f"/dashboard/appointments/{samples.APPOINTMENT}")).text
    assert f'href="{MESSAGES}?appointment={samples.APPOINTMENT}"' in page


async def test_a_message_tells_whom_it_went_to_and_about_what(gateway: Script, browser: Browser) -> None:
    gateway.on(READ, told.message(possibly_repeated=True))
    gateway.on(f"GET /v1/appointments/{samples.APPOINTMENT}", samples.appointment(NOON))
    gateway.on(f"GET /v1/customers/{samples.CUSTOMER}", told.customer())
    page = (await browser.get(ONE)).text
    assert "<h1>Reminder</h1>" in page
    assert "Lin &lt;Chen&gt;" in page
    assert "lin&lt;@example.com" in page
    assert f'<a href="/dashboard/appointments/{samples.APPOINTMENT}">Monday, 1 July 2030, 21:15</a>' in page
    assert "Mon 1 Jul, 21:35" in page, "when it was sent"
    assert "It may have arrived twice" in page
    assert status_of(page) == "sent"


async def test_an_offer_that_came_to_nothing_is_about_no_appointment(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(READ, told.message(kind="waitlist-offer"))
    erased = told.customer(name="", erased_at=told.AT, email=None)
    for customer in (erased, None):
        gateway.on(f"GET /v1/customers/{samples.CUSTOMER}", customer or {}, 200 if customer else 404)
        page = await browser.get(ONE)
        assert page.status_code == 200
        assert "a customer who was erased" in page.text
        assert "/dashboard/appointments/" not in page.text
        assert 'href="/dashboard/waitlist">waitlist</a></dd>' in page.text


async def test_a_message_to_the_owner_is_about_no_customer(gateway: Script, browser: Browser) -> None:
    nothing = dict.fromkeys(("appointment_id", "appointment_version", "customer_id", "due_at"))
    gateway.on(READ, told.message(kind="webhook-disabled", endpoint_id=samples.HOLD, **nothing))
    page = (await browser.get(ONE)).text
    assert "the owner" in page
    assert "<h1>Webhook switched off</h1>" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "suppressed", "reason": "no-consent"}, "has not agreed"),
        ({"status": "suppressed", "reason": "no-address"}, "There is no e-mail address"),
        ({"status": "suppressed", "reason": "no-address", "channel": "sms"}, "There is no number"),
        ({"status": "suppressed", "reason": "stale"}, "the appointment was moved or cancelled"),
        (
            {"status": "suppressed", "reason": "stale", "kind": "webhook-disabled"},
            "the webhook was switched on",
        ),
        ({"status": "suppressed", "reason": "quota"}, 'href="/dashboard/billing"'),
        ({"status": "suppressed", "reason": "by-hand"}, f'href="{BLOCKED}">Blocked addresses'),
        ({"status": "failed", "reason": "Interrupted"}, "It may have arrived or not"),
        ({"status": "failed", "reason": "UnknownCustomer"}, "was not known in time"),
        ({"status": "queued", "attempts": 0}, "It goes out in a moment."),
        ({"status": "queued", "attempts": 3}, "It was tried 3 times"),
        ({"status": "queued", "held_until": "2030-07-02T07:00:00Z"}, "Tue 2 Jul, 08:00"),
        ({"channel": "sms", "segments": 2, "text": "<Hi>\nAna"}, "2 text messages of your plan"),
        ({"channel": "sms", "segments": 1, "text": "<Hi>\nAna"}, '<p class="letter">&lt;Hi&gt;\nAna</p>'),
    ],
)
async def test_how_a_message_stands_is_said_in_a_sentence(
    gateway: Script, browser: Browser, changes: dict[str, Any], words: str
) -> None:
    settled = {} if changes.get("status", "sent") == "sent" else {"settled_at": None}
    gateway.on(READ, told.message(**settled | changes))
    assert words in (await browser.get(ONE)).text


@pytest.mark.usefixtures("as_staff")
@pytest.mark.parametrize("reason", ["quota", "by-hand"])
async def test_staff_are_not_led_to_what_is_for_owners(
    gateway: Script, browser: Browser, reason: str
) -> None:
    gateway.on(READ, told.message(status="suppressed", reason=reason, recipient="l***@example.com"))
    page = (await browser.get(ONE)).text
    assert "l***@example.com" in page
    assert "/dashboard/billing" not in page
    assert BLOCKED not in page


@pytest.mark.parametrize("path", [ONE, f"{MESSAGES}/all"])
async def test_a_message_that_there_is_not_is_a_page(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


# quiet hours


async def test_quiet_hours_are_off_until_something_waits(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/quiet-hours", told.quiet())
    gateway.on("PUT /v1/quiet-hours", told.quiet(version=1))
    page = (await browser.get(HOURS)).text
    assert "There are <strong>no quiet hours</strong>" in page
    assert 'value="21:00"' in page
    assert "checked" not in page
    typed = {"from": "22:00", "to": "07:30", "sms": "yes", "notices": "yes"}
    saved = await browser.submit(HOURS, HOURS, typed)
    assert (saved.status_code, saved.headers["location"]) == (303, HOURS)
    (asked,) = gateway.asked("PUT /v1/quiet-hours")
    assert asked.headers["if-match"] == '"v0"'
    assert asked.body == {"from": "22:00", "to": "07:30", "channels": ["sms"], "notices": True}


async def test_quiet_hours_are_told_and_turned_off(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/quiet-hours", told.quiet(version=4, channels=["email", "sms"], notices=True))
    gateway.on("PUT /v1/quiet-hours", told.quiet(version=5))
    page = (await browser.get(HOURS)).text
    assert "E-mails and text messages that come due from <strong>21:00</strong>" in page
    assert "reminders and news alike" in page
    assert page.count(" checked") == 3
    await browser.submit(HOURS, HOURS, {"from": "21:00", "to": "08:00"})
    (asked,) = gateway.asked("PUT /v1/quiet-hours")
    assert asked.headers["if-match"] == '"v4"'
    assert (asked.body["channels"], asked.body["notices"]) == ([], False)
    assert "There are no quiet hours now." in (await browser.get(HOURS)).text


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"from": "", "to": "08:00"}, 'id="from-fault">This is needed.'),
        ({"from": "", "to": ""}, 'id="to-fault">This is needed.'),
        ({"from": "08:00", "to": "08:00"}, 'id="to-fault">This must be another time'),
    ],
)
async def test_hours_that_are_none_never_reach_the_api(
    gateway: Script, browser: Browser, typed: dict[str, str], words: str
) -> None:
    gateway.on("GET /v1/quiet-hours", told.quiet())
    refused = await browser.submit(HOURS, HOURS, typed | {"email": "yes"})
    assert refused.status_code == 422
    assert words in refused.text
    assert refused.text.count(" checked") == 1, "what was ticked stays"
    assert gateway.asked("PUT /v1/quiet-hours") == []


async def test_what_the_api_says_of_quiet_hours_stands_at_its_field(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("GET /v1/quiet-hours", told.quiet(version=4))
    wrong = {"from": "Value error, must be written like 09:30"}
    gateway.refuse("PUT /v1/quiet-hours", 422, "invalid", "…", **wrong)
    refused = await browser.submit(HOURS, HOURS, {"from": "nine", "to": "08:00"})
    assert refused.status_code == 422
    assert 'id="from-fault">This must be written like 09:30.' in refused.text
    assert 'value="nine"' in refused.text
    assert hidden_fields(refused.text, HOURS)["version"] == "4"
    gateway.refuse("PUT /v1/quiet-hours", 412, "precondition-failed", "It was changed.")
    outdated = await browser.submit(HOURS, HOURS, {"from": "22:15", "to": "08:00", "version": "3"})
    assert "Somebody changed it" in outdated.text
    assert 'value="22:15"' in outdated.text
    assert hidden_fields(outdated.text, HOURS)["version"] == "4"


@pytest.mark.usefixtures("as_staff")
async def test_staff_read_the_quiet_hours(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/quiet-hours", told.quiet(channels=["sms"]))
    page = (await browser.get(HOURS)).text
    assert "Text messages that come due from <strong>21:00</strong>" in page
    assert "Save the quiet hours" not in page


# who is blocked


async def test_blocked_addresses_are_listed_with_the_reason(gateway: Script, browser: Browser) -> None:
    items = [told.blocked(), told.blocked(address=None, channel="sms", reason="bounced", scope="all")]
    gateway.on("GET /v1/suppressions", samples.page(*items, cursor="next+page"))
    page = (await browser.get(f"{BLOCKED}?channel=email&reason=unsubscribed")).text
    asked = {"channel": "email", "reason": "unsubscribed", "limit": "50"}
    assert gateway.asked("GET /v1/suppressions")[0].query == asked
    assert "l***@&lt;example.com" in page
    assert "no reminders by e-mail: they asked for it by a link in a message" in page
    assert "nothing at all by text message: there is no such mailbox" in page
    assert "an address that is no longer known" in page
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following
    await browser.get(following[1].replace("&amp;", "&"))
    assert gateway.asked("GET /v1/suppressions")[1].query == asked | {"cursor": "next+page"}


async def test_who_looks_for_a_reason_that_there_is_not_sees_all(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/suppressions", samples.page())
    page = (await browser.get(f"{BLOCKED}?channel=x&reason=y")).text
    assert gateway.asked("GET /v1/suppressions")[0].query == {"limit": "50"}
    assert "Nobody is blocked." in page
    assert "No addresses match." in (await browser.get(f"{BLOCKED}?channel=sms")).text


async def test_an_address_is_blocked_with_one_key(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/suppressions", samples.page())
    gateway.on("POST /v1/suppressions", told.blocked(), 201)
    typed = {"channel": "sms", "address": "+351912345678", "scope": "reminders", "reason": "complaint"}
    added = await browser.submit(BLOCKED, BLOCKED, typed | {"key": "k-1"})
    assert (added.status_code, added.headers["location"]) == (303, BLOCKED)
    (asked,) = gateway.asked("POST /v1/suppressions")
    assert asked.headers["idempotency-key"] == "k-1"
    assert asked.body == typed


@pytest.mark.parametrize(
    ("channel", "detail", "words"),
    [
        ("email", "must be an e-mail address", "This must be an e-mail address."),
        (
            "sms",
            "must be a telephone number in E.164, such as +35191",
            "This must be a number with its country",
        ),
    ],
)
async def test_an_address_that_is_none_is_said_at_its_field(
    gateway: Script, browser: Browser, channel: str, detail: str, words: str
) -> None:
    gateway.on("GET /v1/suppressions", samples.page())
    gateway.refuse("POST /v1/suppressions", 422, "invalid", "…", address=detail)
    typed = {"channel": channel, "address": "<nobody>", "scope": "reminders", "reason": "complaint"}
    refused = await browser.submit(BLOCKED, BLOCKED, typed)
    assert refused.status_code == 422
    assert f'id="address-fault">{words}' in refused.text
    assert 'value="&lt;nobody&gt;"' in refused.text
    for value in (channel, "reminders", "complaint"):
        assert f'<option value="{value}" selected>' in refused.text
    empty = await browser.submit(BLOCKED, BLOCKED, typed | {"address": ""})
    assert 'id="address-fault">This is needed.' in empty.text
    assert len(gateway.asked("POST /v1/suppressions")) == 1


async def test_an_address_is_unblocked_by_two_presses(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/suppressions", samples.page(told.blocked()))
    gateway.on(f"DELETE /v1/suppressions/{told.BLOCKED}", None, 204)
    page = (await browser.get(BLOCKED)).text
    assert page.index("<details") < page.index(f'action="{UNBLOCK}"') < page.index("</details>")
    assert "They asked for it themselves." in page
    done = await browser.submit(BLOCKED, UNBLOCK)
    assert (done.status_code, done.headers["location"]) == (303, BLOCKED)
    assert len(gateway.asked(f"DELETE /v1/suppressions/{told.BLOCKED}")) == 1
    gateway.refuse(
        f"DELETE /v1/suppressions/{told.BLOCKED}", 404, "not-found", "There is no such suppression."
    )
    await browser.submit(BLOCKED, UNBLOCK)
    assert "It was taken off the list before." in (await browser.get(BLOCKED)).text


@pytest.mark.usefixtures("as_staff")
async def test_staff_have_no_page_of_blocked_addresses(gateway: Script, browser: Browser) -> None:
    gateway.refuse("GET /v1/suppressions", 403, "forbidden", "Your role is staff; this needs owner.")
    answer = await browser.get(BLOCKED)
    assert answer.status_code == 403
    assert "This is not for you" in answer.text
    gateway.on(LIST, samples.page())
    assert BLOCKED not in (await browser.get(MESSAGES)).text


async def test_a_row_of_links_joins_the_pages(gateway: Script, browser: Browser) -> None:
    gateway.on(LIST, samples.page())
    gateway.on("GET /v1/quiet-hours", told.quiet())
    gateway.on("GET /v1/suppressions", samples.page())
    for page in (MESSAGES, HOURS, BLOCKED):
        row = re.search(r'aria-label="Messages">(.*?)</nav>', (await browser.get(page)).text, re.DOTALL)
        assert row
        assert re.findall(r'href="([^"]+)"', row[1]) == [MESSAGES, f"{MESSAGES}/wording", HOURS, BLOCKED]
        assert re.findall(r'href="([^"]+)" aria-current="page"', row[1]) == [page]
