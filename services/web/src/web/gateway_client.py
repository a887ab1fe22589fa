"""web's only way to anything: the gateway's public API, over one pooled client session.

Every page calls `Gateway.call`. What the API refuses comes back as ApiProblem, which a page shows at its form's
fields; a gateway that cannot be reached is GatewayDown, which `web.errors` answers with a page of its own.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from servicekit.errors import SlotwrightError
from servicekit.health import Heartbeat
from servicekit.loops import pause_for
from servicekit.tracing import current_traceparent
from web.headers import VISITOR

log = structlog.get_logger(__name__)

_DOWN = frozenset({502, 503, 504})
_PING_SECONDS = 30.0


class GatewayDown(SlotwrightError):
    """The gateway did not answer, or says that what it needs is not there; trying again later helps."""


class ApiProblem(SlotwrightError):
    """An RFC 9457 problem. `errors` maps JSON pointers (`/customer/email`) to what is wrong there."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
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


@dataclass(frozen=True, slots=True)
class Document:
    """A request's body that is not JSON."""

    media_type: str
    content: bytes


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
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())

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
        if self._session is None:
            raise GatewayDown("the client is not open yet")
        headers = {"Accept": "application/json"}
        optional = {
            "Authorization": f"Bearer {token}" if token else None,
            "Idempotency-Key": idempotency_key,
            "If-Match": if_match,
            "X-Request-ID": structlog.contextvars.get_contextvars().get("request_id"),
            "X-Forwarded-For": VISITOR.get(),
            "traceparent": current_traceparent(),
        }
        headers |= {name: value for name, value in optional.items() if value}
        sent: dict[str, Any] = {"json": body}
        if isinstance(body, Document):
            sent = {"data": body.content}
            headers["Content-Type"] = body.media_type
        try:
            async with self._session.request(
                method, f"{self._base}{path}", params=query, headers=headers, allow_redirects=False, **sent
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            # Its text may hold the address, and so a customer's link.
            log.warning("gateway not reached", method=method, error=type(error).__name__)
            raise GatewayDown(type(error).__name__) from error
        return _answer(response.status, content, response.headers.get("ETag"))


def _answer(status: int, content: bytes, etag: str | None) -> ApiAnswer:
    try:
        data = json.loads(content) if content else None
    except ValueError:
        data = None
    if status in _DOWN:
        raise GatewayDown(str(data.get("detail", "")) if isinstance(data, dict) else f"status {status}")
    if status >= 400:
        raise ApiProblem(status, data if isinstance(data, dict) else {})
    return ApiAnswer(status, data, etag)
