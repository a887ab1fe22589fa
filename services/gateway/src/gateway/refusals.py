"""What the gateway itself refuses, as a page where a person asked for a page; all else stays a problem (ADR 23).

Installed over servicekit's JSON problems. web may be the very part that is away, and its files would count for who
is asked to wait: so the page stands alone, with its style in it.
"""

import base64
import hashlib
import html

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from gateway.frame import incoming
from gateway.pages import content, markup
from gateway.routing import Access
from servicekit.errors import PayloadTooLarge, Problem
from servicekit.http import words
from servicekit.http.problems import respond, unexpected

_DOWN = frozenset({502, 503, 504})
_CSS = content("pages.css").decode()
_DIGEST = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


def _for_a_person(scope: Scope) -> bool:
    """Whether a browser asked for a page of web's: those name HTML, where programs take anything."""
    request = incoming(scope)
    page = request.routed is not None and request.routed.rule.access is Access.PAGE
    return page and b"text/html" in request.headers.get(b"accept", b"")


def _words(problem: Problem) -> tuple[str, str]:
    """Title and text, as web has them for the same."""
    if problem.status in _DOWN:
        return words.DOWN
    if problem.status == 413:
        return words.TOO_LARGE, problem.detail
    title, text = words.EXPECTED.get(problem.status, (problem.title, problem.detail))
    # What counts a page counts the address.
    seconds = problem.headers.get("Retry-After") if problem.status == 429 else None
    return title, words.wait(words.FROM_ONE_PLACE, seconds) if seconds else text


def _page(
    scope: Scope, status: int, title: str, text: str, headers: dict[str, str] | None = None
) -> Response:
    again = '<a href="">Try again</a> · ' if scope["method"] == "GET" else ""
    body = (
        f"<main><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>"
        f'<p>{again}<a href="/">Front page</a></p>'
        f"<p><small>Request {scope['slotwright.request_id']}</small></p></main>"
    )
    return HTMLResponse(
        markup(title, body, f"<style>{_CSS}</style>"), status, headers=(headers or {}) | _HEADERS
    )


def install(app: FastAPI) -> None:
    """Makes the app answer who asked for a page with one."""

    @app.exception_handler(PayloadTooLarge)
    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        scope = request.scope
        if _for_a_person(scope):
            return _page(scope, error.status, *_words(error), error.headers)
        return respond(request, error)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        scope = request.scope
        if _for_a_person(scope):
            return _page(scope, 500, *words.UNEXPECTED)
        return unexpected(instance=request.url.path, request_id=scope["slotwright.request_id"])
