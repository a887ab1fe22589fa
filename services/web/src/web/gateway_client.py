"""The client of the gateway's public API, which is all that web has for data: one pooled client session.

Pages call `Gateway.call`, those behind the sign-in through `web.sessions`. What the API refuses comes back as
ApiProblem, which a page shows at its form's fields; a gateway that cannot be reached is GatewayDown, which
`web.errors` answers with a page of its own. A file for the browser comes by `Gateway.download`, and is read while
it is sent (see `web.dashboard.downloads`).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from servicekit.errors import SlotwrightError
from servicekit.health import Heartbeat
from servicekit.http.once import once
from servicekit.loops import pause_for
from servicekit.tracing import current_traceparent
from web.headers import VISITOR

log = structlog.get_logger(__name__)

_DOWN = frozenset({502, 503, 504})
_FILE_HEADERS = ("Content-Type", "Content-Disposition")
_PING_SECONDS = 30.0
_FILE_SILENCE_SECONDS = 40.0
"""How long a download may stall. Longer than the gateway waits for a service, so that its error comes first."""


class GatewayDown(SlotwrightError):
    """The gateway did not answer, or answered that a service behind it is unavailable; trying again later helps."""


class ApiProblem(SlotwrightError):
    """An RFC 9457 problem. `errors` maps JSON pointers (`/customer/email`) to what is wrong there.

    `retry_after` is the header of this name: when to come again, in seconds.
    """

    def __init__(self, status: int, body: Mapping[str, Any], retry_after: str | None = None) -> None:
        self.status = status
        self.retry_after = retry_after
        self.slug = str(body.get("type", "")).rsplit("/", 1)[-1]
        self.title = str(body.get("title", "Something went wrong"))
        self.detail = str(body.get("detail", ""))
        self.request_id = str(body.get("request_id", ""))
        self.body = body
        self.errors = {
            str(item.get("pointer")): str(item.get("detail"))
            for item in body.get("errors") or ()
            if isinstance(item, Mapping)
        }
        super().__init__(f"{status} {self.title}: {self.detail}")


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A 2xx answer: its JSON (None when there is no body) and its ETag."""

    status: int
    data: Any
    etag: str | None

    @property
    def version(self) -> str:
        """The version that the ETag names, for a form's `version`; empty without one."""
        return (self.etag or "").strip('"').removeprefix("v")


@dataclass(frozen=True, slots=True)
class Document:
    """A request's body that is not JSON."""

    media_type: str
    content: bytes


class Download:
    """A file whose headers have been read, and its content not yet. The caller closes it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.headers = {
            name: value for name in _FILE_HEADERS if (value := response.headers.get(name)) is not None
        }

    async def parts(self) -> AsyncGenerator[bytes]:
        """Its content, as it arrives. Raises GatewayDown when it breaks off: a part must not pass for the whole."""
        try:
            async for part in self._response.content.iter_any():
                yield part
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GatewayDown(type(error).__name__) from error

    def close(self) -> None:
        """Ends the connection where content is still to come, so that booking stops reading for an export."""
        self._response.close()


class Gateway:
    """The API. `run` is a loop for servicekit.runtime: it owns the client session."""

    name = "gateway-client"

    def __init__(self, base_url: str, *, timeout_seconds: float = 10) -> None:
        self._base = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, connect=3)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        if self._session is None:
            # DummyCookieJar: one visitor's cookies must never travel with another's request.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), middlewares=(once,)
            )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Keeps the client session open until told to stop."""
        beat.limit = 2 * _PING_SECONDS
        await self.open()
        try:
            while not stop.is_set():
                beat.beat()
                await pause_for(_PING_SECONDS, stop)
        finally:
            await self.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> ApiAnswer:
        """One request. Raises ApiProblem or GatewayDown. `body` goes out as JSON, unless it is a Document."""
        headers = {"Accept": "application/json"} | _given(
            {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        )
        response = await self._send(method, path, token, headers, query=query, body=body)
        return await _answer(method, response)

    async def download(
        self, path: str, *, token: str | None = None, query: Mapping[str, str] | None = None
    ) -> Download:
        """A file that is sent as it is read. Raises ApiProblem or GatewayDown."""
        limits = aiohttp.ClientTimeout(total=None, connect=3, sock_read=_FILE_SILENCE_SECONDS)
        response = await self._send("GET", path, token, {"Accept": "*/*"}, query=query, limits=limits)
        if response.status == 200:
            return Download(response)
        answer = await _answer("GET", response)
        raise GatewayDown(f"status {answer.status}")

    async def _send(
        self,
        method: str,
        path: str,
        token: str | None,
        headers: dict[str, str],
        *,
        query: Mapping[str, str] | None,
        body: Any = None,
        limits: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
        """The answer, its body unread. Raises GatewayDown."""
        if self._session is None:
            raise GatewayDown("the client is not open yet")
        asked = headers | _given(
            {
                "Authorization": f"Bearer {token}" if token else None,
                "X-Request-ID": structlog.contextvars.get_contextvars().get("request_id"),
                "X-Forwarded-For": VISITOR.get(),
                "traceparent": current_traceparent(),
            }
        )
        sent: dict[str, Any] = {"json": body}
        if isinstance(body, Document):
            sent = {"data": body.content}
            asked["Content-Type"] = body.media_type
        try:
            return await self._session.request(
                method,
                f"{self._base}{path}",
                params=query,
                headers=asked,
                allow_redirects=False,
                timeout=limits or self._timeout,
                **sent,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreached(method, error) from error


def _given(headers: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value}


def _unreached(method: str, error: Exception) -> GatewayDown:
    # Its text may hold the address, and so a customer's link.
    log.warning("gateway not reached", method=method, error=type(error).__name__)
    return GatewayDown(type(error).__name__)


async def _answer(method: str, response: aiohttp.ClientResponse) -> ApiAnswer:
    """The answer, read whole. Raises ApiProblem or GatewayDown."""
    try:
        async with response:
            content = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _unreached(method, error) from error
    status = response.status
    try:
        data = json.loads(content) if content else None
    except ValueError:
        data = None
    if status in _DOWN:
        raise GatewayDown(str(data.get("detail", "")) if isinstance(data, dict) else f"status {status}")
    if status >= 400:
        raise ApiProblem(status, data if isinstance(data, dict) else {}, response.headers.get("Retry-After"))
    return ApiAnswer(status, data, response.headers.get("ETag"))
