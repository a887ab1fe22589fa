"""The gateway's own paths: the merged OpenAPI document, its documentation, and what problem types mean.

A router that gateway.app puts before the proxy; who asks counts for their address, as a stranger does there. The
documentation's assets are vendored (static/README.md).
"""

import gzip
import html
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from gateway.admission import Admission
from gateway.documents import MergedDocument
from gateway.frame import incoming
from gateway.problem_types import PROBLEM_TYPES, ProblemType
from servicekit.errors import NotFound

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "pages.css": "text/css; charset=utf-8",
}
_COMPRESSED = frozenset({"swagger-ui-bundle.js", "swagger-ui.css"})
_ANYWHERE = {"Access-Control-Allow-Origin": "*"}
_READ = ["GET", "HEAD"]

_DOCS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slotwright API</title><link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="docs"></div><noscript><p>This page needs JavaScript; the document itself is
<a href="/openapi.json">/openapi.json</a>.</p></noscript>
<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/assets/docs.js"></script></body></html>
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>{style}</head><body>{body}</body></html>
"""
_STYLE = '<link rel="stylesheet" href="/docs/assets/pages.css">'


def router(document: MergedDocument, admission: Admission) -> APIRouter:
    """The routes, over the merged document."""

    async def count(request: Request) -> None:
        await admission.count_address(incoming(request.scope), admission.address(request.scope))

    routes = APIRouter(include_in_schema=False, dependencies=[Depends(count)])

    @routes.api_route("/openapi.json", methods=_READ)
    async def openapi() -> Response:
        headers = {"Cache-Control": "no-cache", **_ANYWHERE}
        return Response(await document.read(), headers=headers, media_type="application/json")

    @routes.api_route("/docs", methods=_READ)
    async def docs() -> Response:
        return _page(_DOCS)

    @routes.api_route("/docs/assets/{name}", methods=_READ)
    async def asset(name: str, request: Request) -> Response:
        return _asset(name, compressed="gzip" in request.headers.get("accept-encoding", ""))

    @routes.api_route("/problems", methods=_READ)
    async def problems() -> Response:
        items = "".join(
            f'<dt><a href="/problems/{item.slug}"><code>{item.slug}</code></a> ({item.status})</dt>'
            f"<dd>{html.escape(item.title)}</dd>"
            for item in PROBLEM_TYPES.values()
        )
        return _page(markup("Problems", f"<h1>Problems</h1><dl>{items}</dl>"))

    @routes.api_route("/problems/{slug}", methods=_READ)
    async def problem(slug: str, request: Request) -> Response:
        kind = PROBLEM_TYPES.get(slug)
        if kind is None:
            raise NotFound(f"There is no problem type {slug!r}; GET /problems lists them.")
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(_as_json(kind), headers=_ANYWHERE)
        return _page(markup(kind.title, _as_html(kind)))

    return routes


def markup(title: str, body: str, style: str = _STYLE) -> str:
    """A page's HTML; `body` and `style` are HTML already."""
    return _PAGE.format(title=html.escape(title), body=body, style=style)


def _page(text: str) -> Response:
    return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})


def _as_html(kind: ProblemType) -> str:
    return (
        f"<h1>{html.escape(kind.title)}</h1><p><code>/problems/{kind.slug}</code>, HTTP {kind.status}</p>"
        f"<dl><dt>What it means</dt><dd>{html.escape(kind.meaning)}</dd>"
        f"<dt>What to do</dt><dd>{html.escape(kind.remedy)}</dd></dl>"
        '<p><a href="/problems">All problems</a> · <a href="/docs">The API</a></p>'
    )


def _as_json(kind: ProblemType) -> dict[str, str | int]:
    return {
        "type": f"/problems/{kind.slug}",
        "status": kind.status,
        "title": kind.title,
        "meaning": kind.meaning,
        "remedy": kind.remedy,
    }


@cache
def content(name: str, *, compressed: bool = False) -> bytes:
    """Unpacked once, as that takes long enough to be noticed by whoever waits behind it."""
    if name not in _COMPRESSED:
        return (files("gateway") / "static" / name).read_bytes()
    stored = (files("gateway") / "static" / f"{name}.gz").read_bytes()
    return stored if compressed else gzip.decompress(stored)


def _asset(name: str, *, compressed: bool) -> Response:
    if name not in _ASSETS:
        raise NotFound("There is no such asset.")
    headers = {"Cache-Control": "public, max-age=3600", "Vary": "Accept-Encoding"}
    if name in _COMPRESSED and compressed:
        headers["Content-Encoding"] = "gzip"
    return Response(content(name, compressed=compressed), headers=headers, media_type=_ASSETS[name])
