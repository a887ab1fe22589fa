"""The services behind the gateway, and the one pooled client session to them.

`Upstreams.run` is a loop for servicekit.runtime: it closes the session at the end. Used by gateway.proxy for
requests and by gateway.documents for the services' OpenAPI documents.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import structlog
from multidict import CIMultiDict
from yarl import URL

from gateway.errors import UpstreamBroken, UpstreamDown, UpstreamTimeout
from gateway.settings import GatewaySettings
from servicekit.errors import Problem
from servicekit.health import Heartbeat
from servicekit.http.once import once
from servicekit.ids import new_id
from servicekit.loops import pause_for

log = structlog.get_logger(__name__)

# Short, so that new pods of a service get their share soon; below `idle_seconds`, as it must be.
_KEEPALIVE_SECONDS = 3.0
_DNS_SECONDS = 10
_HEADER_BYTES = 32 * 1024
_PULSE_SECONDS = 20.0
_REQUEST_ID = "X-Request-ID"
_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Upstreams:
    """Sends requests to services by name."""

    name = "upstreams"

    def __init__(self, settings: GatewaySettings) -> None:
        self._bases = dict(settings.upstreams)
        self._connections = settings.upstream_connections
        self._answer_timeout = settings.answer_timeout
        self._timeout = aiohttp.ClientTimeout(
            total=None,
            connect=settings.queue_timeout,
            sock_connect=settings.connect_timeout,
            sock_read=settings.answer_timeout,
        )
        self._session: aiohttp.ClientSession | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The services that have an address."""
        return tuple(self._bases)

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Waits for the end, then closes the session."""
        beat.limit = 3 * _PULSE_SECONDS
        try:
            while not stop.is_set():
                beat.beat()
                await pause_for(_PULSE_SECONDS, stop)
        finally:
            if self._session is not None:
                await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=self._connections,
                    keepalive_timeout=_KEEPALIVE_SECONDS,
                    ttl_dns_cache=_DNS_SECONDS,
                ),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_AUTOMATIC,
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
                trust_env=False,
                middlewares=(once,),
            )
        return self._session

    async def send(
        self,
        service: str,
        method: str,
        target: str,
        headers: CIMultiDict[str] | Mapping[str, str],
        body: bytes | None,
    ) -> aiohttp.ClientResponse:
        """The answer, its body unread; the caller closes it. `target` is the raw path with its query.

        `headers` have an X-Request-ID. Every service returns it, so an answer without it is not the service's: the
        address of a pod that has ended may be another pod's by now, and so may a connection that was kept open.

        Raises UpstreamDown, UpstreamBroken or UpstreamTimeout.
        """
        base = self._bases.get(service)
        if base is None:
            raise UpstreamDown(service)
        try:
            response = await self._client().request(
                method, URL(base + target, encoded=True), headers=headers, data=body, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = self._problem(service, error)
            log.warning(
                "upstream gave no answer", upstream=service, problem=problem.slug, error=_described(error)
            )
            raise problem from error
        if response.headers.get(_REQUEST_ID) != headers[_REQUEST_ID]:
            response.close()
            log.warning("upstream answered as a stranger", upstream=service, status=response.status)
            raise UpstreamDown(service)
        return response

    def _problem(self, service: str, error: BaseException) -> Problem:
        match error:
            case aiohttp.SocketTimeoutError():
                return UpstreamTimeout(service, self._answer_timeout)
            case aiohttp.ClientConnectionError() | TimeoutError():
                return UpstreamDown(service)
            case _:
                return UpstreamBroken(service)

    async def fetch_json(self, service: str, path: str, *, seconds: float) -> Any:
        """A small document. Raises Problem."""
        try:
            async with asyncio.timeout(seconds):
                headers = {"Accept": "application/json", _REQUEST_ID: str(new_id())}
                response = await self.send(service, "GET", path, headers, None)
                async with response:
                    if response.status != 200:
                        raise UpstreamBroken(service)
                    return await response.json()
        except TimeoutError:
            raise UpstreamTimeout(service, seconds) from None
        except (aiohttp.ClientError, ValueError) as error:
            raise UpstreamBroken(service) from error


def _described(error: BaseException) -> str:
    """The error without the URL, which may hold a customer's link."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{type(error).__name__}: {error.message}"
    return f"{type(error).__name__}: {error}"
