"""Which other sites' pages may read an answer. Source: the Fetch standard's CORS protocol.

Public routes may be read from anywhere, as a booking widget on any business's own site does; what takes a token or
signs in, from the origins of the settings. Credentials in the sense of CORS (cookies) are never allowed: tokens
travel in a header. Used by gateway.frame, on every answer, and by gateway.proxy, for preflights.
"""

from gateway.routing import Access, Routed, route

_EXPOSED = (
    b"ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, traceparent,"
    b" WWW-Authenticate, X-Request-ID"
)
_ALLOWED_HEADERS = (
    b"Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, traceparent, tracestate,"
    b" X-Request-ID"
)
_ALLOWED_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_PREFLIGHT_SECONDS = b"600"


class Cors:
    """The rules, for a set of allowed origins."""

    def __init__(self, origins: list[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, routed: Routed | None, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """What an answer carries; Vary also where this origin is not allowed, as another may be."""
        if routed is None:
            return []
        access = routed.rule.access
        if access is Access.PUBLIC:
            return [
                (b"access-control-allow-origin", b"*"),
                (b"access-control-expose-headers", _EXPOSED),
            ]
        if access not in {Access.TOKEN, Access.SIGN_IN} or not self._origins:
            return []
        if origin not in self._origins:
            return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", origin or b""),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        ]


def preflighted(method: str, path: str, headers: dict[bytes, bytes]) -> tuple[bool, Routed | None]:
    """Whether this is a preflight, and the route of the request: of the one that is announced, if it is."""
    asked = headers.get(b"access-control-request-method")
    if method == "OPTIONS" and asked is not None and b"origin" in headers:
        return True, route(asked.decode("latin-1").upper(), path)
    return False, route(method, path)


PREFLIGHT = [
    (b"access-control-allow-methods", _ALLOWED_METHODS),
    (b"access-control-allow-headers", _ALLOWED_HEADERS),
    (b"access-control-max-age", _PREFLIGHT_SECONDS),
]
"""Further headers of the answer to a preflight; without one that allows the origin they allow nothing."""
