"""Which headers of a request are passed on, which of an answer are passed back, and which the gateway adds.

Used by gateway.proxy (both ways) and gateway.frame (what stands on every answer). Source: RFC 9110 §7.6.1 on
hop-by-hop headers; the OWASP REST security cheat sheet on the rest.
"""

from collections.abc import Iterable

from multidict import CIMultiDict

from gateway.errors import MalformedRequest

Raw = Iterable[tuple[bytes, bytes]]

_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
# Written by the gateway or by the client library, whatever came in.
_OURS = frozenset({b"host", b"content-length", b"expect", b"x-request-id", b"traceparent", b"baggage"})
# Headers by which a client could claim another identity, address, method or path. No service trusts them (each one
# verifies tokens); they are stripped all the same, so that none ever can.
_CLAIMS = (
    b"x-slotwright-",
    b"x-tenant",
    b"x-business",
    b"x-user",
    b"x-role",
    b"x-auth",
    b"x-authenticated-",
    b"x-session",
    b"x-remote-",
    b"remote-user",
    b"x-forwarded-",
    b"forwarded",
    b"x-real-ip",
    b"x-client-",
    b"true-client-ip",
    b"cf-connecting-ip",
    b"x-original-",
    b"x-rewrite-",
    b"x-http-method",
    b"x-method-override",
    b"x-envoy-",
)
_NOT_BACK = frozenset({b"server", b"date", b"x-powered-by", b"x-request-id", b"traceparent"})
_NOT_BACK_FROM_API = b"access-control-"


def _named_by_connection(headers: Raw) -> frozenset[bytes]:
    """RFC 9110 §7.6.1: what Connection names is hop-by-hop as well."""
    return frozenset(
        name.strip().lower()
        for header, value in headers
        if header == b"connection"
        for name in value.split(b",")
    )


def onward(
    headers: list[tuple[bytes, bytes]], added: dict[str, str], *, cookies: bool, token: bool
) -> CIMultiDict[str]:
    """The request's headers as they go to a service. Raises MalformedRequest for bytes that are no UTF-8."""
    named = _named_by_connection(headers)
    out: CIMultiDict[str] = CIMultiDict()
    for name, value in headers:
        if name in _HOP or name in _OURS or name in named or name.startswith(_CLAIMS):
            continue
        # A frontend that turns underscores into hyphens would otherwise let each of the above through.
        if b"_" in name and name.replace(b"_", b"-").startswith(_CLAIMS):
            continue
        if (name == b"cookie" and not cookies) or (name == b"authorization" and not token):
            continue
        try:
            out.add(name.decode("ascii"), value.decode("utf-8"))
        except UnicodeDecodeError:
            raise MalformedRequest("A header holds bytes that are not UTF-8.") from None
    out.update(added)
    return out


def back(headers: Raw, *, cookies: bool, host: bytes) -> list[tuple[bytes, bytes]]:
    """An answer's headers as they go to the client. A redirect to the gateway itself becomes a relative one."""
    given = [(name.lower(), value) for name, value in headers]
    named = _named_by_connection(given)
    out: list[tuple[bytes, bytes]] = []
    for name, value in given:
        if name in _HOP or name in _NOT_BACK or name in named or name.startswith(_NOT_BACK_FROM_API):
            continue
        if name == b"set-cookie" and not cookies:
            continue
        out.append((name, _relative(value, host) if name == b"location" else value))
    return out


def _relative(location: bytes, host: bytes) -> bytes:
    for scheme in (b"http://", b"https://"):
        prefix = scheme + host
        if location.startswith(prefix + b"/"):
            return location[len(prefix) :]
    return location


SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)
"""On every answer that does not set them itself; API answers get API_SECURITY as well."""

API_SECURITY = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)

TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""Only where the public URL is https."""
