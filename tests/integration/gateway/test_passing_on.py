"""What the gateway passes on: bodies, headers and methods, and the answers of upstreams that fail."""

import hashlib

import httpx
import pytest

from integration.gateway.edge import ORIGIN, Edge, problem
from integration.gateway.upstream import BLOCK

BUSINESS = "/v1/business"


# bodies


def test_a_body_over_one_mebibyte_is_refused(edge: Edge) -> None:
    tenant = edge.open_business()
    before = len(edge.upstream.seen)
    declared = edge.call("POST", BUSINESS, tenant, content=b"x" * (1024 * 1024 + 1))
    problem(declared, 413, "payload-too-large")
    chunked = edge.call("POST", BUSINESS, tenant, content=iter([b"x" * 65536] * 17))
    problem(chunked, 413, "payload-too-large")
    assert len(edge.upstream.seen) == before


@pytest.mark.parametrize("size", [0, 1, 70_000, 1024 * 1024])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_arrive_as_they_are(edge: Edge, size: int, chunked: bool) -> None:
    tenant = edge.open_business()
    body = (b"\x00\xff{" * size)[:size]
    content = iter([body[at : at + 5000] for at in range(0, size, 5000)]) if chunked else body
    answer = edge.call("POST", BUSINESS, tenant, content=content)
    assert answer.json() == {"length": size, "sha256": hashlib.sha256(body).hexdigest()}


def test_a_large_answer_is_streamed(edge: Edge) -> None:
    tenant = edge.open_business()
    digest = hashlib.sha256()
    path = f"{edge.url}{BUSINESS}?do=large&blocks=800"
    with edge.http.stream("GET", path, headers=edge.minter.headers(tenant.tenant_id)) as answer:
        for chunk in answer.iter_bytes():
            digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(BLOCK * 800).hexdigest()


def test_the_first_bytes_come_before_the_last_are_known_and_leaving_ends_it_all(edge: Edge) -> None:
    tenant = edge.open_business()
    edge.upstream.left.clear()
    path = f"{edge.url}{BUSINESS}?do=endless"
    with edge.http.stream("GET", path, headers=edge.minter.headers(tenant.tenant_id)) as answer:
        assert next(answer.iter_bytes()).startswith(b"data: still here")
    assert edge.upstream.left.wait(5)


# headers and methods


def test_hop_by_hop_headers_stay_on_their_hop(edge: Edge) -> None:
    tenant = edge.open_business()
    hops = {"Connection": "keep-alive, X-Once", "X-Once": "1", "TE": "trailers", "Proxy-Authorization": "a"}
    answer = edge.call("GET", f"{BUSINESS}?do=headers", tenant, headers=hops)
    seen = {name for name, _value in edge.upstream.last().headers}
    assert not seen & {"x-once", "te", "proxy-authorization", "keep-alive"}
    back = answer.headers
    for name in ("X-Hop", "Keep-Alive", "Proxy-Authenticate", "Server", "X-Powered-By", "Set-Cookie"):
        assert name not in back, name
    assert "Access-Control-Allow-Credentials" not in back
    assert back["ETag"] == '"7"'
    assert back["Link"] == '</v1/business?cursor=x>; rel="next"'
    assert back["Location"] == "/v1/business/1"
    assert back["Cache-Control"] == "no-store"
    assert back["X-Content-Type-Options"] == "nosniff"
    assert len(back.get_list("Date")) == 1


def test_head_is_answered_as_get_without_its_body(edge: Edge) -> None:
    tenant = edge.open_business()
    got, head = (edge.call(method, f"{BUSINESS}?do=headers", tenant) for method in ("GET", "HEAD"))
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == "2"
    assert head.headers["ETag"] == got.headers["ETag"]
    for path in ("/docs", "/openapi.json", "/problems/invalid", "/docs/assets/pages.css"):
        own = edge.call("HEAD", path)
        assert (own.status_code, own.content) == (200, b""), path
    assert edge.call("GET", BUSINESS, tenant).status_code == 200


def test_an_empty_answer_stays_empty(edge: Edge) -> None:
    answer = edge.call("DELETE", f"{BUSINESS}?do=empty", edge.open_business())
    assert (answer.status_code, answer.content) == (204, b"")


def test_cors(edge: Edge) -> None:
    tenant = edge.open_business()
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    public = f"/v1/public/{tenant.slug}/appointments"
    for path, origin, allowed in (
        (BUSINESS, ORIGIN, ORIGIN),
        (BUSINESS, "https://evil.example", None),
        (public, "https://anywhere.example", "*"),
        ("/dashboard", ORIGIN, None),
        ("/v1/nothing", ORIGIN, None),
    ):
        preflight = edge.call("OPTIONS", path, headers=asked | {"Origin": origin})
        assert preflight.status_code == 204
        assert preflight.headers.get("Access-Control-Allow-Origin") == allowed, (path, origin)
        assert "Access-Control-Allow-Credentials" not in preflight.headers
    preflight = edge.call("OPTIONS", BUSINESS, headers=asked | {"Origin": ORIGIN})
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in preflight.headers["Access-Control-Allow-Headers"]

    read = edge.call("GET", f"{BUSINESS}?do=headers", tenant, headers={"Origin": ORIGIN})
    assert read.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in read.headers["Vary"]
    assert "RateLimit" in read.headers["Access-Control-Expose-Headers"]
    evil = edge.call("GET", f"{BUSINESS}?do=headers", tenant, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in evil.headers
    refused = edge.call("GET", BUSINESS, headers={"Origin": ORIGIN})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN  # a page must be able to read why


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/nothing", "/v1/audit/nothing", "/webhooks/other", "/.well-known/x"]
)
def test_an_unknown_path_is_a_problem(edge: Edge, path: str) -> None:
    body = problem(edge.call("GET", path, headers={"X-Request-ID": "find-me-1"}), 404, "not-found")
    assert body["instance"] == path
    assert body["request_id"] == "find-me-1"


def test_a_method_that_no_path_has_is_refused(edge: Edge) -> None:
    for method, path in (("TRACE", BUSINESS), ("MKCOL", "/dashboard"), ("PROPFIND", "/docs")):
        answer = edge.call(method, path)
        problem(answer, 405, "method-not-allowed")
        assert "GET" in answer.headers["Allow"]
    own = edge.call("POST", "/openapi.json")
    problem(own, 405, "method-not-allowed")
    assert "GET" in own.headers["Allow"]
    hook = edge.call("GET", "/webhooks/stripe")
    problem(hook, 405, "method-not-allowed")
    assert hook.headers["Allow"] == "POST"


@pytest.mark.parametrize("probe", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_for_who_asks_the_gateway_itself(edge: Edge, probe: str) -> None:
    """What comes through a route or an ingress says for whom: X-Forwarded-For, or Forwarded (RFC 7239)."""
    assert edge.http.get(f"{edge.url}{probe}").status_code == 200
    before = len(edge.upstream.seen)
    for path in (probe, f"{probe}/", f"/%{ord(probe[1]):x}{probe[2:]}"):
        problem(edge.call("GET", path), 404, "not-found")
    forwarded = {"Forwarded": "for=203.0.113.9;proto=https"}
    problem(edge.http.get(f"{edge.url}{probe}", headers=forwarded), 404, "not-found")
    assert len(edge.upstream.seen) == before


def test_two_readings_of_one_request_are_refused(edge: Edge) -> None:
    """Targets and framings that a proxy and a server could take differently."""
    for target in (b"/v1/public/../business", b"/v1/public/%2e%2e/business", b"/v1\\business", b"/v1/a%00b"):
        answer = edge.raw(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 "), (target, answer[:200])
    bearers = [edge.minter.token(edge.open_business().tenant_id).encode() for _ in range(2)]
    seen = len(edge.upstream.seen)
    twice = b"".join(b"Authorization: Bearer %s\r\n" % bearer for bearer in bearers)
    answer = edge.raw(b"GET /v1/business HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + twice + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    before = len(edge.upstream.seen)
    assert before == seen
    both = (
        b"POST /v1/signups HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n0\r\n\r\nGET /v1/signups/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    edge.raw(both)
    assert [item.target for item in edge.upstream.seen[before:]] in ([], ["/v1/signups"])


def test_who_asks_for_a_page_is_refused_with_one(edge: Edge) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for refused in (
        edge.call("GET", "/b/riverside%5C", headers=browser),
        edge.call("POST", "/b/riverside/hold", headers=browser, content=b"a" * (1024 * 1024 + 1)),
    ):
        assert refused.status_code in {400, 413}
        assert refused.headers["Content-Type"].startswith("text/html")
        assert refused.headers["X-Request-ID"] in refused.text
    problem(edge.call("GET", "/b/riverside%5C"), 400, "bad-request")
    problem(edge.call("GET", "/v1/nothing", headers=browser), 404, "not-found")


# upstreams that fail


def test_an_upstream_that_is_down_is_a_503(edge: Edge) -> None:
    tenant = edge.open_business()
    for path, service in (("/v1/messages", "notification"), ("/v1/analytics/daily", "analytics")):
        answer = edge.call("GET", path, tenant)
        body = problem(answer, 503, "unavailable")
        assert body["service"] == service
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(("method", "sent"), [("PUT", 1), ("DELETE", 1), ("POST", 1), ("GET", 2)])
def test_a_change_whose_answer_is_lost_is_not_sent_again(edge: Edge, method: str, sent: int) -> None:
    """It may have come through: with If-Match it would be refused then, as somebody else's change is."""
    tenant = edge.open_business()
    before = len(edge.upstream.seen)
    answer = edge.call(method, f"{BUSINESS}?do=gone", tenant)
    assert problem(answer, 503, "unavailable")["service"] == "business"
    assert len(edge.upstream.seen) == before + sent


def test_an_upstream_that_speaks_no_http_is_a_502(edge: Edge) -> None:
    answer = edge.call("GET", f"{BUSINESS}?do=garbage", edge.open_business())
    assert problem(answer, 502, "bad-gateway")["service"] == "business"


def test_an_answer_of_whoever_has_a_services_address_now_is_none(edge: Edge) -> None:
    """Known by the request's id, which every service gives back; what it says does not reach the client."""
    tenant = edge.open_business()
    answer = edge.call("GET", f"{BUSINESS}?do=stranger", tenant)
    assert problem(answer, 503, "unavailable")["service"] == "business"
    assert edge.call("GET", BUSINESS, tenant).status_code == 200


def test_a_slow_upstream_is_a_504(edge: Edge) -> None:
    tenant = edge.open_business()
    answer = edge.call("POST", f"{BUSINESS}?do=slow", tenant, json={})
    assert problem(answer, 504, "upstream-timeout")["service"] == "business"
    assert edge.call("GET", BUSINESS, tenant).status_code == 200


@pytest.mark.parametrize("fault", ["cut", "silent"])
def test_an_answer_that_breaks_off_is_seen_to(edge: Edge, fault: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        edge.call("GET", f"{BUSINESS}?do={fault}", edge.open_business())
    assert "upstream broke off" in edge.log.read_text("utf-8")


def test_a_body_that_does_not_come_is_a_408(edge: Edge) -> None:
    tenant = edge.open_business()
    token = edge.minter.token(tenant.tenant_id).encode()
    for length in (10, 500_000):  # read whole first, and streamed
        head = (
            b"POST /v1/business HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
            b"Content-Length: %d\r\n\r\nhalf" % (token, length)
        )
        answer = edge.raw(head)
        assert answer.startswith(b"HTTP/1.1 408 "), answer[:300]
        assert b"application/problem+json" in answer
