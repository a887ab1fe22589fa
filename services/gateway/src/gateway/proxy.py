"""The reverse proxy: passes a request that is admitted on to its service, and streams the answer back.

Raw ASGI; gateway.app puts it behind the router, for every path that is not the gateway's own. A request is passed
on as it came, except for the headers of gateway.headers; bodies are never parsed.
"""

import asyncio
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from urllib.parse import urlsplit

import aiohttp
import structlog
from starlette.types import Receive, Scope, Send

from gateway.admission import Admission
from gateway.bodies import Bodies
from gateway.cors import PREFLIGHT
from gateway.errors import MalformedRequest
from gateway.frame import incoming
from gateway.headers import back, onward
from gateway.metrics import UPSTREAM_CUT, UPSTREAM_REQUESTS, UPSTREAM_SECONDS
from gateway.routing import UPSTREAMS, Access, Rule
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams
from servicekit.addresses import counted_as
from servicekit.concurrency import ConcurrencyLimit
from servicekit.errors import Problem
from servicekit.tracing import current_traceparent

log = structlog.get_logger(__name__)

_NO_BODY = frozenset({204, 304})
_SMALL = 128 * 1024
"""Bytes of an answer that aiohttp reads ahead: that frees the connection, even if the client does not read."""
_PART_OF_ALL, _PART_OF_ONE = 2, 16
"""Half of the connections to a service may be used by large answers at a time, a sixteenth by those to one address:
a client that reads such an answer slowly occupies the connection for as long."""
_TURN_SECONDS = 1.0
"""Short, as an answer that waits for its turn occupies a connection, too."""
_OUTCOMES = {"unavailable": "unreachable", "bad-gateway": "broken", "upstream-timeout": "timeout"}


class Proxy:
    """The ASGI app."""

    def __init__(self, settings: GatewaySettings, admission: Admission, upstreams: Upstreams) -> None:
        public = urlsplit(settings.public_url)
        self._admission = admission
        self._upstreams = upstreams
        self._bodies = Bodies(seconds=settings.answer_timeout)
        connections = settings.upstream_connections
        # Of each service apart: a page's answer may wait for that of the API.
        self._large = {
            name: ConcurrencyLimit[str](
                max(1, connections // _PART_OF_ALL),
                max(1, connections // _PART_OF_ONE),
                seconds=_TURN_SECONDS,
                refusal=f"Too many answers of more than {_SMALL // 1024} KiB are being taken at the moment.",
            )
            for name in UPSTREAMS
        }
        self._host = public.netloc
        self._scheme = public.scheme

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = incoming(scope)
        target = _target(scope)
        if len(request.headers) < len(scope["headers"]):
            _require_one_token(scope)
        if request.preflight:
            await _answer_preflight(send)
            return
        address = self._admission.address(scope)
        await self._admission.admit(request, address)
        # admit raises when there is no rule.
        assert request.routed is not None  # noqa: S101
        await self._forward(request.routed.rule, target, address, scope, receive, send)

    async def _forward(
        self, rule: Rule, target: str, address: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        page = rule.access is Access.PAGE
        added = {
            "Host": self._host,
            "X-Request-ID": scope["slotwright.request_id"],
            "X-Forwarded-For": address,
            "X-Forwarded-Proto": self._scheme,
            "X-Forwarded-Host": self._host,
        }
        traceparent = current_traceparent()
        if traceparent:
            added["traceparent"] = traceparent
        # The services' routers answer GET alone; a HEAD is a GET whose body stays here (RFC 9110 §9.3.2).
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        async with self._bodies.whole(receive, incoming(scope).headers, address) as body:
            if body:
                added["Content-Length"] = str(len(body))
            headers = onward(scope["headers"], added, cookies=page, token=not page)
            started = time.perf_counter()
            try:
                response = await self._upstreams.send(rule.upstream, method, target, headers, body)
            except Problem as problem:
                outcome = _OUTCOMES.get(problem.slug, "broken")
                UPSTREAM_REQUESTS.labels(rule.upstream, rule.path, outcome).inc()
                raise
        UPSTREAM_SECONDS.labels(rule.upstream).observe(time.perf_counter() - started)
        UPSTREAM_REQUESTS.labels(rule.upstream, rule.path, str(response.status)).inc()
        async with response, self._turn(rule, response, address, scope):
            await self._answer(rule, response, scope, receive, send)

    def _turn(
        self, rule: Rule, response: aiohttp.ClientResponse, address: str, scope: Scope
    ) -> AbstractAsyncContextManager[None]:
        """A turn for an answer that is large, or may be; others need none. Raises Unavailable if none is free."""
        length = 0 if _without_body(scope, response) else response.content_length
        small = length is not None and length <= _SMALL
        return nullcontext() if small else self._large[rule.upstream].acquire(counted_as(address))

    async def _answer(
        self,
        rule: Rule,
        response: aiohttp.ClientResponse,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        cookies = rule.access is Access.PAGE
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": back(response.raw_headers, cookies=cookies, host=self._host.encode()),
            }
        )
        if _without_body(scope, response):
            await send({"type": "http.response.body", "body": b""})
            return
        watch: asyncio.Task[None] | None = None
        if response.content_length is None:
            # An answer without a length may go on for ever, and sending to a client that has left raises nothing.
            watch = asyncio.create_task(_close_when_gone(receive, response))
        try:
            more = True
            while more:
                chunk = await response.content.readany()
                more = not response.content.at_eof()
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
        except (aiohttp.ClientError, TimeoutError) as error:
            if watch is None or not watch.done():
                # Returning with the answer incomplete makes the server end the connection: the client sees the cut.
                UPSTREAM_CUT.labels(rule.upstream).inc()
                log.warning(
                    "upstream broke off", upstream=rule.upstream, error=f"{type(error).__name__}: {error}"
                )
        finally:
            if watch is not None:
                watch.cancel()


def _without_body(scope: Scope, response: aiohttp.ClientResponse) -> bool:
    return scope["method"] == "HEAD" or response.status in _NO_BODY


def _require_one_token(scope: Scope) -> None:
    """Raises MalformedRequest for two tokens, of which the gateway and the service could read different ones."""
    if sum(name == b"authorization" for name, _value in scope["headers"]) > 1:
        raise MalformedRequest("Authorization came more than once.")


async def _close_when_gone(receive: Receive, response: aiohttp.ClientResponse) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    response.close()


async def _answer_preflight(send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": list(PREFLIGHT)})
    await send({"type": "http.response.body", "body": b""})


def _target(scope: Scope) -> str:
    """The raw path and query, as they came. Raises MalformedRequest for what a service could read differently."""
    path: str = scope["path"]
    if not path.startswith("/"):
        raise MalformedRequest("The request's target is not a path.")
    if "\\" in path or any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):
        raise MalformedRequest("The path holds a control character or a backslash.")
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        raise MalformedRequest("The path holds a segment that is . or ..")
    try:
        raw: str = scope["raw_path"].decode("ascii")
        query: str = scope["query_string"].decode("ascii")
    except UnicodeDecodeError:
        raise MalformedRequest("The target holds bytes that are not ASCII; percent-encode them.") from None
    return f"{raw}?{query}" if query else raw
