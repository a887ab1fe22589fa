"""What happens to every request before and after the app: id, trace, size limit, metrics, access log.

Raw ASGI, so that it costs little and sees the response as it leaves. Used by servicekit.http.app and, as the same
rules hold there, by the gateway.
"""

import re
import time
from contextlib import nullcontext
from typing import Any

import structlog
from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit import audit
from servicekit.errors import PayloadTooLarge, Problem
from servicekit.http.problems import problem_response, unexpected
from servicekit.ids import new_id
from servicekit.metrics import HTTP_REQUESTS, HTTP_SECONDS
from servicekit.tracing import span_from

log = structlog.get_logger("access")

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,128}$")
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by who watches the process, and by no client of it."""


class _BodyTooLarge(Exception):
    """Raised out of `receive` when a streamed body passes the limit."""


def request_id_of(headers: Headers) -> str:
    """The client's X-Request-ID when it is well formed, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(new_id())


async def _answer(scope: Scope, error: Exception, kind: type[Exception]) -> Response:
    """The response to an error: by the app's own handler for this kind where it has one (web's is a page)."""
    instance, request_id = scope["path"], scope["slotwright.request_id"]
    own = getattr(scope.get("app"), "exception_handlers", {}).get(kind)
    if own is not None:
        try:
            answer: Response = await own(Request(scope), error)
        except Exception as another:
            log.error("unexpected error", exc_info=another)
        else:
            return answer
    if isinstance(error, Problem):
        return problem_response(error, instance=instance, request_id=request_id)
    return unexpected(instance=instance, request_id=request_id)


class EdgeMiddleware:
    """Outermost around an app."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = request_id_of(headers)
        scope["slotwright.request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        audit.begin_request(request_id)
        status = 500
        started = time.perf_counter()

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        traced = (
            nullcontext()
            if scope["path"] in PROBES
            else span_from(headers.get("traceparent"), scope["method"], SpanKind.SERVER)
        )
        with traced as span:
            try:
                await self._limited(scope, receive, respond, headers)
            finally:
                self._record(scope, status, time.perf_counter() - started, span)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        limit = self._max_body_bytes
        read = 0
        started = False
        too_large = False

        async def counted() -> Message:
            nonlocal read, too_large
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > limit:
                    too_large = True
                    raise _BodyTooLarge
            return message

        async def tracked(message: Message) -> None:
            nonlocal started
            if too_large and not started:
                return  # FastAPI makes a 400 of whatever reading a body raises
            started = True
            await send(message)

        declared = headers.get("content-length", "0")
        try:
            if declared.isdigit() and int(declared) > limit:
                raise _BodyTooLarge
            await self._app(scope, counted, tracked)
        except _BodyTooLarge:
            if started:
                raise
            too_large = True
        except Exception as error:
            # Here and not by Starlette, which runs an app's handler for any error outside of this middleware.
            log.error("unexpected error", exc_info=error)
            if started:
                raise
            if not too_large:
                answer = await _answer(scope, error, Exception)
                await answer(scope, receive, send)
        if too_large and not started:
            problem = PayloadTooLarge(f"The body may have {limit} bytes at most.")
            answer = await _answer(scope, problem, PayloadTooLarge)
            await answer(scope, receive, send)

    def _record(self, scope: Scope, status: int, seconds: float, span: Span | None) -> None:
        route: Any = scope.get("route")
        template = getattr(route, "path", None) or scope.get("slotwright.route", "unmatched")
        HTTP_REQUESTS.labels(scope["method"], template, str(status)).inc()
        HTTP_SECONDS.labels(scope["method"], template).observe(seconds)
        if span is not None:
            span.update_name(f"{scope['method']} {template}")  # not the path: it may hold a customer's link
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("http.route", template)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(StatusCode.ERROR)
            log.info(
                "request", method=scope["method"], route=template, status=status, ms=round(seconds * 1000, 2)
            )
