"""web's pages as a browser reaches them: through the gateway, and back through it for what they show."""

import re
import secrets

import httpx
import pytest

from integration.auth.world import PASSWORD, new_email
from integration.gateway.platform import Platform
from integration.web.conftest import Browser
from support.events import until


def test_every_page_is_reached_through_the_gateway(platform: Platform) -> None:
    tenant, _owner = platform.business()
    with Browser(platform.url) as browser:
        for path in ("/", "/login", "/set-password", "/forgot-password", f"/b/{tenant.slug}"):
            page = browser.get(path)
            assert page.status_code == 200, (path, page.text)
            assert page.headers["Content-Type"].startswith("text/html")
            assert "script-src 'self'" in page.headers["Content-Security-Policy"]
            for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
                loaded = browser.get(asset)
                assert loaded.status_code == 200, asset
                assert loaded.content
        for path in ("/appointments/nothing", "/signup/0190aaaa-0000-7000-8000-000000000000", "/nothing"):
            missing = browser.get(path)
            assert missing.status_code == 404, path
            assert missing.headers["Content-Type"].startswith("text/html")
        unsigned = browser.get("/dashboard")
        assert unsigned.url.path == "/login"
        assert browser.get("/static/app.js").status_code == 200
        assert browser.get("/static/nothing.js").status_code == 404


def test_an_owner_signs_in_works_and_signs_out(platform: Platform) -> None:
    email = new_email()
    tenant, _owner = platform.business(email=email)
    with Browser(platform.url) as browser:
        wrong = browser.submit(browser.get("/login"), "/login", {"email": email, "password": "not this one"})
        assert wrong.status_code == 422
        assert "is not right" in wrong.text
        inside = browser.submit(wrong, "/login", {"email": email, "password": PASSWORD})
        assert inside.url.path == "/dashboard", inside.text
        assert tenant.display_name in inside.text
        for path in (
            "/dashboard/staff",
            "/dashboard/services",
            "/dashboard/appointments",
            "/dashboard/reminders",
        ):
            assert browser.get(path).status_code == 200, path
        billing, figures = browser.get("/dashboard/billing"), browser.get("/dashboard/figures")
        assert (billing.status_code, figures.status_code) == (200, 200), billing.text + figures.text
        out = browser.submit(browser.get("/dashboard"), "/logout")
        assert "You are signed out." in out.text
        assert browser.get("/dashboard").url.path == "/login"


def test_a_forgotten_password_is_set_anew(platform: Platform) -> None:
    email = new_email()
    platform.business(email=email)
    before = len(platform.auth.mails(email))
    with Browser(platform.url) as browser:
        sent = browser.submit(browser.get("/forgot-password"), "/forgot-password", {"email": email})
        assert sent.status_code == 200
        token = platform.auth.links(email, count=before + 1)[-1]
        chosen = "a yellow bicycle"
        fields = {"token": token, "password": chosen, "password_again": chosen}
        done = browser.submit(browser.get("/set-password"), "/set-password", fields)
        assert "Your password is set" in done.text, done.text
        inside = browser.submit(done, "/login", {"email": email, "password": chosen})
        assert inside.url.path == "/dashboard"


def test_a_visitor_signs_up(platform: Platform) -> None:
    with Browser(platform.url) as browser:
        wish = {
            "business_name": "Riverside Barbers",
            "slug": f"s-{secrets.token_hex(5)}",
            "name": "Ada",
            "email": new_email(),
            "timezone": "Europe/Lisbon",
            "currency": "EUR",
        }
        waiting = browser.submit(browser.get("/"), "/signup", wish)
        assert waiting.status_code == 200, waiting.text
        assert re.fullmatch(r"/signup/[0-9a-f-]{36}", waiting.url.path)


def test_limits_count_the_visitor_and_not_web(platform: Platform) -> None:
    """30 sign-ins a minute from one address; the next visitor through the same web has their own."""

    def tries(address: str, count: int) -> tuple[int, int]:
        with httpx.Client(base_url=platform.url, headers={"X-Forwarded-For": address}) as visitor:
            page = visitor.get("/login")
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
            wish = hidden | {"email": new_email(), "password": "wrong"}
            answers = [visitor.post("/login", data=wish) for _ in range(count)]
            return ["too many tries" in answer.text for answer in answers].count(True), len(answers)

    first = tries("203.0.113.50", 36)
    second = tries("203.0.113.51", 2)
    assert first[0] >= 1
    assert second[0] == 0


@pytest.mark.parametrize("forwarded", ["203.0.113.60", "10.9.8.7, 203.0.113.60"])
def test_services_learn_the_visitors_address(platform: Platform, forwarded: str) -> None:
    """auth counts failed sign-ins by address: the one that the gateway believes, whatever stands before it."""
    with httpx.Client(base_url=platform.url, headers={"X-Forwarded-For": forwarded}) as visitor:
        page = visitor.get("/login")
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
        visitor.post("/login", data=hidden | {"email": new_email(), "password": "wrong"})
    found = until(
        lambda: platform.auth.rows("SELECT bucket FROM attempt WHERE bucket LIKE %s", "%203.0.113.60"),
        "the visitor's bucket",
    )
    assert len(found) == 1
