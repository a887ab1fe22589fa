"""Middleware: security headers on every answer, and the visitor's address for what web asks the gateway.

Raw ASGI, wrapped around the app by `web.app`.

The policy allows no inline script or style, and nothing from another host: script that an attacker gets into a page
does not run.
`form-action` stays with this site: pages that lead to Stripe do so by a link.
"""

from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # An appointment's link is a capability: other sites must not see it.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


VISITOR: ContextVar[str | None] = ContextVar("visitor", default=None)
"""X-Forwarded-For as the gateway gave it, sent back with what web asks on the visitor's behalf: limits on tries to
sign in count visitors, not web."""


class HeadersMiddleware:
    """Adds HEADERS to each response, and keeps the visitor's address in VISITOR."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def respond(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        VISITOR.set(Headers(scope=scope).get("x-forwarded-for"))
        await self._app(scope, receive, respond)
