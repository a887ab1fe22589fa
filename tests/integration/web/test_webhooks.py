"""An owner connects a server by webhooks, through the pages alone, and a real one is told what they say."""

import re
from collections.abc import Iterator

import httpx
import pytest

from integration.web.conftest import Site
from support.events import until
from support.receiver import Receiver, receiving, verified

LIST = "/dashboard/webhooks"
NEW = f"{LIST}/new"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def secret_in(page: httpx.Response) -> str:
    (found,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", page.text)
    return str(found)


def test_a_server_is_connected_tried_out_and_disconnected(site: Site, receiver: Receiver) -> None:
    tenant = site.open_business()
    with site.browser(owner_of=tenant) as owner:
        typed = {"url": "https://10.0.0.1/hook", "events": "message.sent", "description": "Our <till>"}
        inside = owner.submit(owner.get(NEW), NEW, typed)
        assert inside.status_code == 422
        assert 'id="url-fault">This must lead to a public address.' in inside.text, inside.text
        plain = owner.submit(inside, NEW, typed | {"url": "ftp://crm.example"})
        assert 'id="url-fault">This must begin with https://.' in plain.text, plain.text

        typed["url"] = f"{receiver.url}/hook"
        made = owner.submit(plain, NEW, typed)
        secret = secret_in(made)
        assert made.headers["cache-control"] == "no-store"
        again = owner.submit(plain, NEW, typed)
        assert "This was done already" in again.text, again.text
        address = re.search(rf'href="({LIST}/[0-9a-f-]+)"', again.text)
        assert address
        page = address[1]
        assert owner.get(LIST).text.count("Our &lt;till&gt;") == 1, "made once"

        receiver.answer("/hook", 500, 204)
        sent = owner.submit(owner.get(page), f"{page}/test")
        delivery = sent.url.path
        failed = until(lambda: _with(owner.get(delivery), "did not arrive"), "the test's outcome")
        assert "Answered 500</div>" in failed.text, failed.text
        resent = owner.submit(failed, f"{delivery}/resend")
        assert resent.url.path == delivery
        until(lambda: _with(owner.get(delivery), "arrived"), "the test arrives")
        first, second = receiver.webhooks("/hook")
        assert first.id == second.id
        assert first.id in resent.text
        assert verified(secret, second), "by the secret that the page showed"

        replaced = owner.submit(owner.get(page), f"{page}/secret")
        fresh = secret_in(replaced)
        assert fresh != secret
        for told in (LIST, page):
            assert "the old one holds" in owner.get(told).text
        owner.submit(owner.get(page), f"{page}/test")
        third = until(lambda: receiver.webhooks("/hook")[2:], "another test")[0]
        assert verified(fresh, third)
        assert verified(secret, third), "the old one signs beside it"

        log = owner.get(f"{page}/deliveries?event=webhook.test")
        assert log.text.count("A test</td>") == 2, log.text
        assert "Nothing matches." in owner.get(f"{page}/deliveries?event=message.sent").text

        saved = owner.submit(owner.get(page), page, typed | {"description": "Till"})
        assert "Saved." in saved.text, saved.text
        off = owner.submit(saved, f"{page}/off")
        assert "turned off by an owner" in off.text, off.text
        assert "Turn it on first." in owner.submit(saved, f"{page}/test").text
        on = owner.submit(off, f"{page}/on")
        assert "The webhook is on." in on.text, on.text
        assert "No webhooks yet." in owner.submit(on, f"{page}/remove").text
        assert owner.get(page).status_code == 404


def _with(page: httpx.Response, outcome: str) -> httpx.Response | None:
    assert page.status_code == 200, page.text
    return page if re.search(rf'<span class="status \w+">{outcome}</span>', page.text) else None
