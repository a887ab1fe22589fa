"""The page behind the link in a mail: opening it changes nothing, its buttons do, and it can be taken back."""

from typing import Any

import pytest

from support.web_site import Browser, Script

TOKEN = "t0ken"
PAGE = f"/unsubscribe/{TOKEN}"
API = f"/v1/unsubscriptions/{TOKEN}"


def subscription(unsubscribed: str | None = None, **changes: Any) -> dict[str, Any]:
    return {"business": "River <b>side", "channel": "email", "unsubscribed": unsubscribed} | changes


async def test_opening_the_page_changes_nothing(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API}", subscription())
    page = await browser.get(PAGE)
    assert page.status_code == 200
    assert "River &lt;b&gt;side" in page.text
    assert 'value="reminders"' in page.text
    assert 'value="all"' in page.text
    assert [call.method for call in gateway.calls] == ["GET"]


@pytest.mark.parametrize("scope", ["reminders", "all"])
async def test_a_button_unsubscribes(gateway: Script, browser: Browser, scope: str) -> None:
    gateway.on(f"GET {API}", subscription())
    gateway.on(f"PUT {API}", subscription(scope))
    answer = await browser.submit(PAGE, f"{PAGE}/choice", {"unsubscribed": scope})
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    (asked,) = gateway.asked(f"PUT {API}")
    assert asked.body == {"unsubscribed": scope}


@pytest.mark.parametrize(
    ("scope", "said"),
    [("reminders", "you still hear of it"), ("all", "not even when an appointment is moved")],
)
async def test_it_says_what_holds_and_takes_it_back(
    gateway: Script, browser: Browser, scope: str, said: str
) -> None:
    gateway.on(f"GET {API}", subscription(scope))
    gateway.on(f"DELETE {API}", subscription())
    assert said in (await browser.get(PAGE)).text
    answer = await browser.submit(PAGE, f"{PAGE}/choice", {"unsubscribed": ""})
    assert answer.status_code == 303
    assert len(gateway.asked(f"DELETE {API}")) == 1


async def test_another_sites_form_does_nothing(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API}", subscription())
    answer = await browser.post(f"{PAGE}/choice", data={"unsubscribed": "all"})
    assert answer.status_code == 403
    assert gateway.calls == []


async def test_a_link_that_is_none_is_not_found(gateway: Script, browser: Browser) -> None:
    gateway.refuse(f"GET {API}", 404, "not-found", "This link is not one of ours, or is not whole.")
    assert (await browser.get(PAGE)).status_code == 404
