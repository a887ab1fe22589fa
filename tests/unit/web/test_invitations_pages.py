"""Asking somebody in, on the page of members: the form, how each invitation stands, again, and withdrawn."""

import datetime as dt
import re
from typing import Any

import pytest

from support import web_samples as samples
from support import web_samples_waiting as waiting
from support.web_site import Browser, Script

pytestmark = pytest.mark.usefixtures("signed_in")
PAGE = "/dashboard/members"
ACTION = f"{PAGE}/invitations"
LIST = "GET /v1/invitations"
INVITE = "POST /v1/invitations"
WITHDRAW = f"DELETE /v1/invitations/{samples.HOLD}"
BO = {"name": "Bo", "email": "bo@riverside.example", "role": "owner"}
PAST = dt.datetime(2020, 7, 1, 12, tzinfo=dt.UTC)


def asked_in(gateway: Script, *invitations: dict[str, Any]) -> None:
    owner = samples.colleague(id=samples.ADA, name="Ada", role="owner")
    gateway.on("GET /v1/members", samples.page(owner))
    gateway.on(LIST, samples.page(*invitations))
    gateway.on(INVITE, waiting.invitation(), 201)


def forms(page: str, action: str) -> list[dict[str, str]]:
    """The hidden fields of each form with this action."""
    found = [part for part in re.findall(r"<form.*?</form>", page, re.S) if f'action="{action}"' in part]
    return [dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', part)) for part in found]


async def test_somebody_is_asked_in_with_one_key(gateway: Script, browser: Browser) -> None:
    asked_in(gateway)
    page = (await browser.get(PAGE)).text
    assert "Nobody yet. Ask the first person in." in page
    (hidden,) = forms(page, ACTION)
    sent = await browser.post(ACTION, data=hidden | BO | {"name": "<Bo>"})
    assert (sent.status_code, sent.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(INVITE)
    assert asked.body == BO | {"name": "<Bo>"}
    assert asked.headers["idempotency-key"] == hidden["key"]
    assert "&lt;Bo&gt; is asked in by e-mail." in (await browser.get(PAGE)).text


async def test_what_is_missing_or_refused_is_said_at_its_field_and_kept(
    gateway: Script, browser: Browser
) -> None:
    asked_in(gateway)
    empty = await browser.submit(PAGE, ACTION, BO | {"email": ""})
    assert empty.status_code == 422
    assert 'id="email-fault">This is needed.' in empty.text
    assert 'value="Bo"' in empty.text
    assert "<option selected>owner</option>" in empty.text
    assert gateway.asked(INVITE) == []
    gateway.refuse(INVITE, 422, "invalid", "…", email="Value error, must be an e-mail address")
    refused = await browser.submit(PAGE, ACTION, BO | {"email": "bo@"})
    assert 'id="email-fault">This must be an e-mail address.' in refused.text
    assert 'value="bo@"' in refused.text


@pytest.mark.parametrize(
    ("status", "slug", "errors", "words"),
    [
        (
            409,
            "conflict",
            {"email": "works here already"},
            'id="email-fault">Somebody with this address works here already.',
        ),
        (403, "tenant-suspended", {}, "<p>Said by the API.</p>"),
        (429, "too-many-attempts", {}, "<p>Said by the API.</p>"),
    ],
)
async def test_why_nobody_is_asked_in_is_said_and_what_was_typed_is_kept(
    gateway: Script, browser: Browser, status: int, slug: str, errors: dict[str, str], words: str
) -> None:
    asked_in(gateway)
    gateway.refuse(INVITE, status, slug, "Said by the API.", **errors)
    refused = await browser.submit(PAGE, ACTION, BO)
    assert refused.status_code == status
    assert words in refused.text
    assert 'value="bo@riverside.example"' in refused.text


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        (
            {},
            '<span class="status pending">waiting</span>',
            "Mailed Mon 1 Jul, 13:00; the link is good until Mon 8 Jul, 13:00",
        ),
        ({"sent_at": None}, ">on its way</span>", "Asked in Mon 7 Jan, 09:00"),
        (
            {"sent_at": PAST, "expires_at": PAST},
            ">link has ended</span>",
            "the link was good until Wed 1 Jul, 13:00",
        ),
        (
            {"sent_at": None, "refused": "550 <unknown> user"},
            ">not mailed</span>",
            "Why: 550 &lt;unknown&gt; user",
        ),
        ({"status": "accepted"}, ">accepted</span>", "Asked in Mon 7 Jan, 09:00"),
        ({"status": "withdrawn", "refused": "550"}, ">withdrawn</span>", "Asked in Mon 7 Jan, 09:00"),
    ],
)
async def test_it_is_said_how_an_invitation_stands_and_what_can_be_done(
    gateway: Script, browser: Browser, changes: dict[str, Any], status: str, words: str
) -> None:
    """The business's clock is an hour ahead in summer."""
    asked_in(gateway, waiting.invitation(name="<Bo>", **changes))
    page = (await browser.get(PAGE)).text
    assert "&lt;Bo&gt;" in page
    assert status in page
    assert words in page
    state = changes.get("status", "pending")
    assert (f"{ACTION}/{samples.HOLD}/withdraw" in page) == (state == "pending")
    assert len(forms(page, ACTION)) == (1 if state == "accepted" else 2)


async def test_of_each_address_the_last_invitation_is_shown_and_who_waits_stands_first(
    gateway: Script, browser: Browser
) -> None:
    def at(day: int) -> dt.datetime:
        return dt.datetime(2030, 1, day, tzinfo=dt.UTC)

    old = [
        waiting.invitation(status="withdrawn", name="Bo the first", created_at=at(1)),
        waiting.invitation(email="cy@riverside.example", name="Cy", created_at=at(2)),
    ]
    new = [
        waiting.invitation(email="di@riverside.example", name="Di", created_at=at(3)),
        waiting.invitation(
            status="accepted", name="Bo the second", created_at=at(4), email="Bo@riverside.example"
        ),
    ]
    asked_in(gateway)
    pages = {None: samples.page(*old, cursor="c1"), "c1": samples.page(*new)}
    gateway.on(LIST, lambda call: (200, pages[call.query.get("cursor")]))
    page = (await browser.get(PAGE)).text
    assert re.findall(r"<strong>([^<]+)</strong>", page) == ["Di", "Cy", "Bo the second"]


async def test_who_was_asked_in_is_asked_again_as_they_were(gateway: Script, browser: Browser) -> None:
    asked_in(gateway, waiting.invitation(role="owner"))
    first, again = forms((await browser.get(PAGE)).text, ACTION)
    assert again["key"] != first["key"]
    sent = await browser.post(ACTION, data=again)
    assert sent.status_code == 303
    (asked,) = gateway.asked(INVITE)
    assert asked.body == BO
    assert asked.headers["idempotency-key"] == again["key"], "sent twice it is one mail"


async def test_an_invitation_is_withdrawn_by_two_presses(gateway: Script, browser: Browser) -> None:
    asked_in(gateway, waiting.invitation())
    gateway.on(WITHDRAW, None, 204)
    action = f"{ACTION}/{samples.HOLD}/withdraw"
    page = (await browser.get(PAGE)).text
    assert page.index("<details") < page.index(f'action="{action}"') < page.index("</details>")
    sent = await browser.submit(PAGE, action)
    assert (sent.status_code, sent.headers["location"]) == (303, PAGE)
    assert len(gateway.asked(WITHDRAW)) == 1
    assert "Withdrawn." in (await browser.get(PAGE)).text
    gateway.refuse(WITHDRAW, 409, "conflict", "This invitation was accepted already.")
    await browser.submit(PAGE, action)
    assert "This invitation was accepted already." in (await browser.get(PAGE)).text
