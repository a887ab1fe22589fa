"""Through the gateway to everything that runs: auth's own tokens to each service, and web's pages.

web comes back through the gateway for what its pages show.
"""

import hashlib
import hmac
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from jsonschema import Draft202012Validator

from contracts.platform import Limits
from devstack.local_http import LOCAL_HTTP, NO_TLS
from integration.auth.world import PASSWORD, new_email
from integration.gateway import booking_page
from integration.gateway.edge import problem
from integration.gateway.platform import SERVICES, WEBHOOK_SECRET, Platform
from integration.web.conftest import Browser
from servicekit.ids import new_id
from support.events import until

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}


def test_a_business_is_set_up_and_booked_through_the_gateway(platform: Platform) -> None:
    tenant, owner = platform.business()
    staff = platform.create("/v1/staff", {"name": "Ada"}, owner)
    hours = {"weekly_hours": [{"weekday": day, "opens": "00:00", "closes": "00:00"} for day in range(7)]}
    current = platform.call("GET", f"/v1/staff/{staff['id']}", owner)
    saved = platform.call(
        "PUT",
        f"/v1/staff/{staff['id']}/hours",
        owner,
        json=hours,
        headers={"If-Match": current.headers["ETag"]},
    )
    assert saved.status_code == 200, saved.text
    assert saved.headers["ETag"] != current.headers["ETag"]
    service = platform.create(
        "/v1/services",
        {
            "name": "Cut",
            "duration_minutes": 30,
            "price_amount": 2500,
            "staff_ids": [staff["id"]],
        },
        owner,
    )
    profile = platform.call("GET", f"/v1/public/{tenant.slug}")
    assert [item["name"] for item in profile.json()["services"]] == ["Cut"]

    begin = datetime.now(UTC).date() + timedelta(days=2)  # is still to come when a midnight passes
    asked = {
        "service": service["id"],
        "from": begin.isoformat(),
        "to": (begin + timedelta(days=1)).isoformat(),
    }
    path = f"/v1/public/{tenant.slug}/availability"
    slots: list[dict[str, Any]] = until(
        lambda: platform.call("GET", path, params=asked).json().get("slots"), "free times"
    )
    wish = {
        "service_id": service["id"],
        "starts_at": slots[0]["starts_at"],
        "customer": {"name": "Bea", "email": "bea@customer.example"},
        "consent": {"email": True, "sms": False},
    }
    booked = platform.create(f"/v1/public/{tenant.slug}/appointments", wish)
    link = f"/v1/public/appointments/{booked['token']}"
    assert platform.call("GET", link).json()["status"] == "confirmed"
    calendar = platform.call("GET", f"{link}.ics")
    assert calendar.headers["Content-Type"].startswith("text/calendar")
    assert calendar.text.startswith("BEGIN:VCALENDAR")

    listed = platform.call("GET", "/v1/appointments", owner).json()["items"]
    assert [item["id"] for item in listed] == [booked["id"]]
    cancelled = platform.call("POST", f"/v1/appointments/{booked['id']}/cancel", owner, json={})
    assert cancelled.status_code == 200, cancelled.text
    for path in ("/v1/me", "/v1/usage", "/v1/billing/subscription", "/v1/customers", "/v1/reminder-policy"):
        assert platform.call("GET", path, owner).status_code == 200, path
    today = datetime.now(UTC).date().isoformat()
    figures = platform.call("GET", "/v1/analytics/daily", owner, params={"from": today, "to": today})
    assert figures.status_code == 200, figures.text
    assert len(figures.json()["items"]) == 1


@pytest.mark.slow
def test_the_booking_pages_examples_do_what_it_says(platform: Platform, tmp_path: Path) -> None:
    """Takes 2 s alone and 10 s beside others: the page makes some sixty processes, one after the other."""
    tenant, owner = platform.business()
    printed = booking_page.run(
        tmp_path, API=platform.url, SLUG=tenant.slug, EMAIL=owner.email, PASSWORD=PASSWORD
    )
    assert printed == booking_page.shown()[1]


def test_one_business_reaches_nothing_of_another(platform: Platform) -> None:
    _mine, me = platform.business()
    other, owner = platform.business()
    staff = platform.create("/v1/staff", {"name": "Ada"}, owner)
    claims = {"X-Tenant-ID": str(other.tenant_id), "X-Business-ID": str(other.tenant_id)}
    problem(platform.call("GET", f"/v1/staff/{staff['id']}", me, headers=claims), 404, "not-found")
    assert platform.call("GET", "/v1/staff", me, headers=claims).json()["items"] == []


def test_a_session_that_ended_refreshes_no_more(platform: Platform) -> None:
    _tenant, owner = platform.business()
    fresh = platform.call(
        "POST", "/v1/sessions/refresh", json={"refresh_token": owner.session["refresh_token"]}
    )
    assert fresh.status_code == 200, fresh.text
    ended = platform.call("DELETE", f"/v1/sessions/{owner.session['session_id']}", owner)
    assert (ended.status_code, ended.content) == (204, b"")
    again = platform.call(
        "POST", "/v1/sessions/refresh", json={"refresh_token": fresh.json()["refresh_token"]}
    )
    problem(again, 401, "session-ended")


def test_the_plan_limits_requests(platform: Platform) -> None:
    tenant, owner = platform.business()
    platform.auth.change(tenant, limits=Limits(requests_per_minute=3))
    refused: httpx.Response = until(
        lambda: next(
            (a for a in (platform.call("GET", "/v1/business", owner),) if a.status_code == 429), None
        ),
        "the plan's limit",
    )
    assert problem(refused, 429, "too-many-requests")["limit"] == 3


def test_problems_of_services_come_through_whole(platform: Platform) -> None:
    _tenant, owner = platform.business()
    key = {"Idempotency-Key": secrets.token_hex(16), "X-Request-ID": "follow-me-1"}
    body = problem(
        platform.call("POST", "/v1/staff", owner, json={"nam": "Ada"}, headers=key), 422, "invalid"
    )
    assert body["request_id"] == "follow-me-1"
    assert {error["pointer"] for error in body["errors"]} == {"/name", "/nam"}
    problem(platform.call("PUT", "/v1/me", owner, json={}), 405, "method-not-allowed")
    problem(platform.call("GET", "/v1/nothing", owner), 404, "not-found")
    got, head = (platform.call(method, "/v1/business", owner) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.content))
    assert head.headers["ETag"] == got.headers["ETag"]


def test_keys_and_discovery(platform: Platform) -> None:
    keys = platform.call("GET", "/.well-known/jwks.json")
    assert keys.json() == LOCAL_HTTP.get(f"{platform.direct['auth']}/.well-known/jwks.json").json()
    assert keys.json()["keys"][0]["kty"] == "OKP"
    assert keys.headers["Access-Control-Allow-Origin"] == "*"
    discovery = platform.call("GET", "/.well-known/openid-configuration").json()
    assert discovery["jwks_uri"].endswith("/.well-known/jwks.json")


def test_stripes_webhook_reaches_billing_byte_for_byte(platform: Platform) -> None:
    """The signature is over the raw body: odd spacing and escapes must survive."""
    event_id = f"evt_{new_id().hex}"
    event = f'{{ "id":"{event_id}",\n "type" : "invoice.paid", "object":"event", '
    event += f'"created": {int(time.time())}, '
    event += '"data":{"object":{"id":"in_1","object":"invoice","x":"\\u00e9/é"}}}'
    raw = event.encode()
    at = int(time.time())
    signature = hmac.new(WEBHOOK_SECRET.encode(), b"%d." % at + raw, hashlib.sha256).hexdigest()
    good = {"Stripe-Signature": f"t={at},v1={signature}", "Content-Type": "application/json"}
    answer = platform.call("POST", "/webhooks/stripe", content=raw, headers=good)
    assert answer.status_code == 200, answer.text
    changed = platform.call("POST", "/webhooks/stripe", content=raw + b" ", headers=good)
    assert changed.status_code == 400, changed.text
    with psycopg.connect(platform.admin_urls["billing"]) as conn:
        kept = conn.execute(b"SELECT count(*) FROM stripe_event WHERE event_id = %s", (event_id,)).fetchone()
    assert kept == (1,)


# the merged document


def routes(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (method, path) for path, item in document["paths"].items() for method in item if method in METHODS
    }


def test_the_merged_document_has_every_route_of_every_service_once(platform: Platform) -> None:
    merged = platform.call("GET", "/openapi.json").json()
    expected: list[tuple[str, str]] = []
    for name in ("auth", *SERVICES):
        own = LOCAL_HTTP.get(f"{platform.direct[name]}/openapi.json").json()
        expected += routes(own)
    assert len(expected) == len(set(expected))
    assert routes(merged) == set(expected)
    assert "x-missing-services" not in merged


def test_the_merged_document_is_valid(platform: Platform) -> None:
    merged = platform.call("GET", "/openapi.json").json()
    assert merged["openapi"].startswith("3.1")
    identifiers: list[str] = []
    for path, item in merged["paths"].items():
        named = set(re.findall(r"\{([^}]+)\}", path))
        for operation in (value for method, value in item.items() if method in METHODS):
            identifiers.append(operation["operationId"])
            parameters = operation.get("parameters", [])
            assert {part["name"] for part in parameters if part["in"] == "path"} == named, path
            assert all(part.get("required") for part in parameters if part["in"] == "path")
            assert len({(part["in"], part["name"]) for part in parameters}) == len(parameters)
            assert operation["responses"]
            assert "422" not in operation["responses"]
    assert len(identifiers) == len(set(identifiers))
    for schema in merged["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    text = platform.call("GET", "/openapi.json").text
    for kind, name in set(re.findall(r'"#/components/([^/"]+)/([^"]+)"', text)):
        assert name in merged["components"][kind]
    assert not {"HTTPValidationError", "ValidationError"} & set(merged["components"]["schemas"])


def test_schemas_mean_in_the_merged_document_what_they_mean_in_their_service(platform: Platform) -> None:
    """No clash: each operation, its references followed, is the service's own."""
    merged = platform.call("GET", "/openapi.json").json()
    for name in ("auth", *SERVICES):
        own = LOCAL_HTTP.get(f"{platform.direct[name]}/openapi.json").json()
        for method, path in routes(own):
            ours, theirs = merged["paths"][path][method], own["paths"][path][method]
            for part in ("requestBody", "parameters"):
                assert resolved(ours.get(part), merged) == resolved(theirs.get(part), own), (path, part)
            for status in set(theirs["responses"]) - {"422"}:
                assert resolved(ours["responses"][status], merged) == resolved(
                    theirs["responses"][status], own
                ), (path, status)


def resolved(node: Any, document: dict[str, Any], inside: tuple[str, ...] = ()) -> Any:
    """The node with every reference replaced by what it refers to; a circle ends at its first repetition."""
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):
            if target in inside:
                return "circle"
            found: Any = document
            for part in target.removeprefix("#/").split("/"):
                found = found[part]
            return resolved(found, document, (*inside, target))
        return {key: resolved(value, document, inside) for key, value in node.items() if key != "mapping"}
    if isinstance(node, list):
        return [resolved(item, document, inside) for item in node]
    return node


def test_a_service_that_ends_is_a_503_and_the_gateway_stays(platform: Platform) -> None:
    _tenant, owner = platform.business()
    with platform.without_auth():
        problem(platform.call("GET", "/v1/me", owner), 503, "unavailable")
        # Keys are known: everything that needs no sign-in goes on.
        assert platform.call("GET", "/v1/business", owner).status_code == 200
        document = platform.call("GET", "/openapi.json")
        assert document.status_code == 200
        assert platform.call("GET", "/readyz").status_code == 200
    until(lambda: platform.call("GET", "/v1/me", owner).status_code == 200, "auth is back")


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


def test_who_works_at_two_businesses_goes_from_one_to_the_other(platform: Platform) -> None:
    email, page = new_email(), "/dashboard/businesses"
    first, _owner = platform.business(email=email)
    second, other_owner = platform.business()
    platform.auth.colleague(other_owner, email=email)  # and was signed in there last
    with Browser(platform.url) as browser:
        chosen = browser.submit(browser.get("/login"), "/login", {"email": email, "password": PASSWORD})
        assert chosen.url.path == page, chosen.text
        there = browser.submit(chosen, page)
        assert there.url.path == "/dashboard", there.text
        assert f"You are at {first.display_name} now." in there.text
        assert f'href="/b/{first.slug}"' in there.text
        back = browser.submit(browser.get(page), page)
        assert f"You are at {second.display_name} now." in back.text
        assert f'href="/b/{second.slug}"' in back.text
        assert "This form has expired" in browser.submit(chosen, page).text, "of a session that one has left"


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
        with httpx.Client(
            base_url=platform.url, verify=NO_TLS, headers={"X-Forwarded-For": address}
        ) as visitor:
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
    with httpx.Client(
        base_url=platform.url, verify=NO_TLS, headers={"X-Forwarded-For": forwarded}
    ) as visitor:
        page = visitor.get("/login")
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
        visitor.post("/login", data=hidden | {"email": new_email(), "password": "wrong"})
    found = until(
        lambda: platform.auth.rows("SELECT bucket FROM attempt WHERE bucket LIKE %s", "%203.0.113.60"),
        "the visitor's bucket",
    )
    assert len(found) == 1
