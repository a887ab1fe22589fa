"""What the gateway itself decides: who may, ids and traces, limits, and what it tells about itself."""

import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from contracts.platform import DeletionPolicy, Limits, TenantState
from integration.gateway.edge import Edge, in_one_window, problem
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support.events import until
from support.tenants import new_tenant

BUSINESS = "/v1/business"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


# who may


def test_without_a_good_token_nothing_reaches_a_service(edge: Edge) -> None:
    tenant = edge.open_business()
    good = edge.minter
    stranger = TokenMinter(issuer=good.issuer)  # another key under the same id
    elsewhere = TokenMinter(issuer="https://elsewhere.example")
    elsewhere._key = good._key
    head, _claims, signature = good.token(tenant.tenant_id).split(".")
    other_claims = good.token(new_tenant().tenant_id).split(".")[1]
    past = datetime.now(UTC) - timedelta(hours=1)
    tokens = {
        "none": "",
        "no token": "Bearer nonsense",
        "Basic": "Basic YTpi",
        "expired": f"Bearer {good.token(tenant.tenant_id, iat=past, exp=past + timedelta(minutes=10))}",
        "wrong key": f"Bearer {stranger.token(tenant.tenant_id)}",
        "wrong audience": f"Bearer {good.token(tenant.tenant_id, aud='another')}",
        "wrong issuer": f"Bearer {elsewhere.token(tenant.tenant_id)}",
        "changed claims": f"Bearer {head}.{other_claims}.{signature}",
    }
    before = len(edge.upstream.seen)
    for name, value in tokens.items():
        answer = edge.call("GET", BUSINESS, headers={"Authorization": value} if value else {})
        assert problem(answer, 401, "unauthorized"), name
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), name
    assert len(edge.upstream.seen) == before


def test_a_token_for_a_business_that_does_not_exist_or_is_going(edge: Edge) -> None:
    problem(edge.call("GET", BUSINESS, new_tenant()), 404, "not-found")
    tenant = edge.open_business()
    going = tenant.model_copy(
        update={"generation": 2, "state": TenantState.DELETING, "deletion_policy": DeletionPolicy.RETAIN}
    )
    edge.topics.publish(going)
    until(lambda: edge.call("GET", BUSINESS, tenant).status_code == 403, "it is being deleted")
    problem(edge.call("GET", f"/v1/public/{tenant.slug}"), 404, "not-found")


def test_the_token_goes_on_and_claims_from_outside_do_not(edge: Edge) -> None:
    tenant = edge.open_business()
    claims = {
        "X-Tenant-ID": str(new_id()),
        "X-Business-Id": "1",
        "X-User": "root",
        "X_User_Id": "root",
        "X-Auth-Request-Email": "root@evil.example",
        "X-Slotwright-Role": "admin",
        "X-Role": "admin",
        "Forwarded": "for=1.2.3.4",
        "X-Real-IP": "1.2.3.4",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-HTTP-Method-Override": "DELETE",
        "Cookie": "a=b",
        "Baggage": "tenant=1",
        "X-Kept": "yes",
    }
    edge.call("GET", BUSINESS, tenant, headers=claims | {"X-Forwarded-For": "evil, 203.0.113.9"})
    seen = edge.upstream.last()
    names = {name for name, _value in seen.headers}
    assert names == {
        "host",
        "accept",
        "accept-encoding",
        "authorization",
        "traceparent",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-kept",
        "x-request-id",
    }
    assert seen.header("x-forwarded-for") == "203.0.113.9"
    assert seen.header("x-forwarded-host") == seen.header("host") == "127.0.0.1:8080"
    assert seen.header("x-forwarded-proto") == "http"


def test_pages_get_cookies_and_no_token(edge: Edge) -> None:
    tenant = edge.open_business()
    answer = edge.call("GET", "/dashboard?do=headers", tenant, headers={"Cookie": "a=b"})
    assert edge.upstream.last().header("cookie") == "a=b"
    assert edge.upstream.last().header("authorization") is None
    assert answer.headers["Set-Cookie"] == "a=b"


# ids and traces


def test_request_id_and_trace_go_in_on_and_out(edge: Edge) -> None:
    tenant = edge.open_business()
    answer = edge.call(
        "GET",
        BUSINESS,
        tenant,
        headers={"X-Request-ID": "abc-12345", "traceparent": f"00-{TRACE}-{'1' * 16}-01"},
    )
    seen = edge.upstream.last()
    assert answer.headers["X-Request-ID"] == seen.header("x-request-id") == "abc-12345"
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-0[01]", seen.header("traceparent") or "")
    assert seen.header("traceparent") != f"00-{TRACE}-{'1' * 16}-01"
    assert answer.headers["traceparent"].split("-")[1] == TRACE

    made = edge.call("GET", BUSINESS, tenant, headers={"X-Request-ID": "a b\tc"})
    assert made.headers["X-Request-ID"] == edge.upstream.last().header("x-request-id") != "a b\tc"
    assert len(made.headers.get_list("X-Request-ID")) == 1


# limits


def test_a_business_is_limited_by_its_entitlement(edge: Edge) -> None:
    limited = edge.open_business(limits=Limits(requests_per_minute=5))
    free = edge.open_business()
    first = edge.call("GET", BUSINESS, limited)
    assert first.status_code == 200
    assert first.headers["RateLimit-Policy"] == '"business";q=5;w=60'
    assert re.fullmatch(r'"business";r=4;t=\d+', first.headers["RateLimit"])
    refused = next(
        answer
        for answer in (edge.call("GET", BUSINESS, limited) for _ in range(12))
        if answer.status_code == 429
    )
    body = problem(refused, 429, "too-many-requests")
    assert body["limit"] == body["used"] == 5
    assert body["plan"] == "pro"
    assert body["window_seconds"] == 60
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert re.fullmatch(r'"business";r=0;t=\d+', refused.headers["RateLimit"])
    assert refused.headers["RateLimit-Policy"] == '"business";q=5;w=60'
    # The neighbour, and what strangers ask of the same business, count apart.
    assert edge.call("GET", BUSINESS, free).status_code == 200
    visitor = edge.call("GET", f"/v1/public/{limited.slug}")
    assert visitor.status_code == 200
    assert '"public";r=' in visitor.headers["RateLimit"]

    raised = limited.model_copy(update={"generation": 2, "limits": Limits(requests_per_minute=500)})
    edge.topics.publish(raised)
    until(lambda: edge.call("GET", BUSINESS, limited).status_code == 200, "the new limit holds")


def test_sign_ins_are_limited_by_address(edge: Edge) -> None:
    at, other = {"X-Forwarded-For": "203.0.113.77"}, {"X-Forwarded-For": "203.0.113.78"}
    in_one_window()
    answers = [edge.call("POST", "/v1/sessions", headers=at, json={}) for _ in range(6)]
    assert [answer.status_code for answer in answers][:3] == [200] * 3
    problem(answers[-1], 429, "too-many-requests")
    assert edge.call("POST", "/v1/sessions", headers=other, json={}).status_code == 200


@pytest.mark.parametrize("kind", ["of an invented key", "nonsense"])
def test_a_token_that_opens_nothing_counts_for_its_address(edge: Edge, kind: str) -> None:
    """The limit that is the same for all addresses, which an address of its own has not used up."""
    tenant = edge.open_business()
    in_one_window()
    for number in range(3):
        token = TokenMinter(kid=f"invented-{new_id()}").token(tenant.tenant_id)
        headers = {"Authorization": f"Bearer {token if kind == 'of an invented key' else 'x'}"}
        headers["X-Forwarded-For"] = "203.0.113.99" if kind == "nonsense" else "203.0.113.100"
        answer = edge.call("GET", BUSINESS, headers=headers)
        assert answer.status_code == (401 if kind == "nonsense" else 503)
        policy, left = re.findall(r'"address";q=(\d+)|"address";r=(\d+)', _limits(answer))
        assert int(left[1]) == int(policy[0]) - number - 1


def _limits(answer: httpx.Response) -> str:
    return f"{answer.headers['RateLimit-Policy']} {answer.headers['RateLimit']}"


# what the gateway tells about itself


def test_every_problem_type_has_a_page(edge: Edge) -> None:
    listed = edge.call("GET", "/problems").text
    for slug in re.findall(r'href="/problems/([a-z-]+)"', listed):
        page = edge.call("GET", f"/problems/{slug}")
        assert page.status_code == 200
        told = edge.call("GET", f"/problems/{slug}", headers={"Accept": "application/json"}).json()
        assert told["type"] == f"/problems/{slug}"
        assert told["meaning"]
        assert told["remedy"]
    problem(edge.call("GET", "/problems/nonsense"), 404, "not-found")


def test_the_documentation_loads_nothing_from_elsewhere(edge: Edge) -> None:
    page = edge.call("GET", "/docs")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(asset.startswith("/") for asset in assets)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for asset in (name for name in assets if name.startswith("/docs/")):
        for encoding in ("gzip", "identity"):
            loaded = edge.call("GET", asset, headers={"Accept-Encoding": encoding})
            assert loaded.status_code == 200
            assert len(loaded.content) > 50, asset
        assert loaded.headers["Content-Type"].split(";")[0] in {"text/css", "text/javascript"}


def test_the_document_says_which_services_are_missing(edge: Edge) -> None:
    document = edge.call("GET", "/openapi.json").json()
    # The scripted upstream has no document either.
    assert {"notification", "analytics"} <= set(document["x-missing-services"])
    assert "notification" in document["info"]["description"]


def test_the_gateways_own_pages_count_for_their_readers_address(edge: Edge) -> None:
    for path in ("/openapi.json", "/docs", "/docs/assets/docs.js", "/problems", "/problems/not-found"):
        answer = edge.call("GET", path)
        assert answer.headers["RateLimit-Policy"] == '"address";q=600;w=60', path


def test_no_token_stands_in_the_log(edge: Edge) -> None:
    tenant = edge.open_business()
    token = edge.minter.token(tenant.tenant_id)
    edge.call("GET", BUSINESS, headers={"Authorization": f"Bearer {token}", "X-Request-ID": "look-for-me"})
    edge.call("GET", f"/v1/messages?access_token={token}", tenant)
    lines = [json.loads(line) for line in edge.log.read_text("utf-8").splitlines()]
    assert any(line.get("request_id") == "look-for-me" for line in lines)
    assert token not in edge.log.read_text("utf-8")
