"""Adds to every answer, whoever made it, the headers of security, CORS, rate limits and the trace.

Raw ASGI, the outermost of the gateway's app (gateway.app), so that problems of the edge and of the router get them
too. It also routes the request, once, for all that come after: `scope["slotwright.request"]`. Probes and metrics
are for requests to the pod itself, as kubelet and Prometheus send them; one that a proxy has passed on gets a 404.
"""

from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.cors import Cors, preflighted
from gateway.errors import MethodNotAllowed
from gateway.headers import API_SECURITY, SECURITY, TRANSPORT_SECURITY
from gateway.ratelimits import Verdict
from gateway.routing import Access, Routed
from servicekit.errors import NotFound, Problem
from servicekit.http.edge import PROBES, request_id_of
from servicekit.http.problems import problem_response
from servicekit.tracing import current_traceparent

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_KEY = "slotwright.request"
_PRIVATE = (b"cache-control", b"no-store")
_PASSED_ON = (b"x-forwarded-for", b"forwarded")
"""A proxy writes either of these when it passes on a request."""


@dataclass(slots=True)
class Incoming:
    """One request as the gateway sees it. `verdicts` are the limits that counted it."""

    routed: Routed | None
    path: str
    headers: dict[bytes, bytes]
    preflight: bool
    verdicts: list[Verdict] = field(default_factory=list)


def incoming(scope: Scope) -> Incoming:
    """What Frame found out about the request."""
    found: Incoming = scope[_KEY]
    return found


class Frame:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, *, cors: Cors, https: bool) -> None:
        self._app = app
        self._cors = cors
        self._always = (*SECURITY, TRANSPORT_SECURITY) if https else SECURITY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Of a repeated header it has the last: only headers that may come once are read from it.
        headers: dict[bytes, bytes] = dict(scope["headers"])
        preflight, routed = preflighted(scope["method"], scope["path"], headers)
        request = Incoming(routed, scope["path"], headers, preflight)
        scope[_KEY] = request
        scope["slotwright.route"] = routed.rule.path if routed else "unmatched"
        cors = self._cors.headers(routed, headers.get(b"origin"))

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._complete(list(message["headers"]), request, cors)
            await send(message)

        problem = _refusal(scope, headers)
        if problem is None:
            await self._app(scope, receive, framed)
            return
        request_id = request_id_of(Headers(scope=scope))
        response = problem_response(problem, instance=scope["path"], request_id=request_id)
        response.headers["X-Request-ID"] = request_id
        await response(scope, receive, framed)

    def _complete(
        self, headers: list[tuple[bytes, bytes]], request: Incoming, cors: list[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        present = {name for name, _value in headers}
        wanted = list(self._always)
        access = request.routed.rule.access if request.routed else Access.TOKEN
        if access is not Access.PAGE:
            wanted += API_SECURITY
        if access in {Access.TOKEN, Access.SIGN_IN}:
            wanted.append(_PRIVATE)
        headers += [pair for pair in wanted if pair[0] not in present]
        headers += cors
        for name, value in _limit_headers(request.verdicts):
            if name not in present:
                headers.append((name, value))
        traceparent = current_traceparent()
        if traceparent:
            headers.append((b"traceparent", traceparent.encode()))
        return headers


def _refusal(scope: Scope, headers: dict[bytes, bytes]) -> Problem | None:
    """The problem of a request that must not reach the metrics: a method is a label, and anyone may invent one."""
    if scope["method"] not in METHODS:
        return MethodNotAllowed(
            "This method is not known here.", headers={"Allow": ", ".join(sorted(METHODS))}
        )
    if scope["path"] in PROBES and any(name in headers for name in _PASSED_ON):
        return NotFound("There is nothing at this path.")
    return None


def _limit_headers(verdicts: list[Verdict]) -> list[tuple[bytes, bytes]]:
    """One list member a policy, as the draft has it."""
    joined: dict[str, list[str]] = {}
    for verdict in verdicts:
        for name, value in verdict.headers().items():
            joined.setdefault(name.lower(), []).append(value)
    joined.pop("retry-after", None)
    return [(name.encode(), ", ".join(values).encode()) for name, values in joined.items()]
