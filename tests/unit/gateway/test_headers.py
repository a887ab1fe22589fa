"""What goes on, what comes back, and what never does."""

import pytest

from gateway.errors import MalformedRequest
from gateway.headers import back, onward


def _on(*headers: tuple[bytes, bytes], cookies: bool = False, token: bool = True) -> dict[str, str]:
    return dict(onward(list(headers), {"X-Request-ID": "ours"}, cookies=cookies, token=token))


@pytest.mark.parametrize(
    "name",
    [
        b"x-tenant-id",
        b"x-business-id",
        b"x-user-id",
        b"x-role",
        b"x-auth-request-user",
        b"x-slotwright-tenant",
        b"x_tenant_id",
        b"remote-user",
        b"x-forwarded-for",
        b"x-forwarded-user",
        b"forwarded",
        b"x-real-ip",
        b"x-http-method-override",
        b"x-original-url",
        b"baggage",
    ],
)
def test_claims_from_outside_are_stripped(name: bytes) -> None:
    assert _on((name, b"forged"), (b"accept", b"*/*")) == {"accept": "*/*", "X-Request-ID": "ours"}


def test_hop_by_hop_headers_end_here_and_so_do_those_that_connection_names() -> None:
    headers = (
        (b"connection", b"close, X-Secret-Hop"),
        (b"x-secret-hop", b"1"),
        (b"te", b"trailers"),
        (b"upgrade", b"websocket"),
        (b"transfer-encoding", b"chunked"),
        (b"proxy-authorization", b"Basic x"),
        (b"content-type", b"application/json"),
    )
    assert _on(*headers) == {"content-type": "application/json", "X-Request-ID": "ours"}


def test_the_request_id_is_the_gateways() -> None:
    assert _on((b"x-request-id", b"theirs-12345"))["X-Request-ID"] == "ours"


def test_cookies_go_to_pages_and_tokens_to_the_api() -> None:
    both = ((b"cookie", b"session=1"), (b"authorization", b"Bearer t"))
    assert "cookie" not in _on(*both)
    assert _on(*both)["authorization"] == "Bearer t"
    page = _on(*both, cookies=True, token=False)
    assert page["cookie"] == "session=1"
    assert "authorization" not in page


def test_bytes_that_are_no_text_are_refused_and_utf8_stays() -> None:
    assert _on((b"x-note", "Ünal".encode()))["x-note"] == "Ünal"
    with pytest.raises(MalformedRequest):
        _on((b"x-note", b"\xff\xfe"))


def test_repeated_headers_stay_repeated() -> None:
    out = onward([(b"accept", b"a"), (b"accept", b"b")], {}, cookies=False, token=True)
    assert out.getall("accept") == ["a", "b"]


def test_answers_lose_what_is_between_hops_and_what_the_gateway_says_itself() -> None:
    given = [
        (b"Content-Type", b"application/json"),
        (b"Connection", b"keep-alive, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Server", b"uvicorn"),
        (b"Date", b"then"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Access-Control-Allow-Origin", b"*"),
        (b"Set-Cookie", b"a=b"),
        (b"ETag", b'"v1"'),
    ]
    assert back(given, cookies=False, host=b"x") == [
        (b"content-type", b"application/json"),
        (b"etag", b'"v1"'),
    ]
    assert (b"set-cookie", b"a=b") in back(given, cookies=True, host=b"x")


def test_a_redirect_to_the_gateway_itself_becomes_relative() -> None:
    for location in (b"http://book.example/v1/staff", b"https://book.example/v1/staff"):
        assert back([(b"location", location)], cookies=False, host=b"book.example") == [
            (b"location", b"/v1/staff")
        ]
    elsewhere = [(b"location", b"https://checkout.stripe.example/pay")]
    assert back(elsewhere, cookies=False, host=b"book.example") == elsewhere
