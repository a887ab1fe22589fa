"""The merged OpenAPI document, fetched from the services and kept for a while. Served by gateway.pages.

While a service is down its last document is used; without one it is left out, and the document says so. Either way
it is asked again soon. The merged document is kept as bytes: serializing it takes as long as several requests, and
anybody may ask for it.
"""

import asyncio
import json
import time
from collections.abc import Callable

import structlog

from gateway.openapi import Document, merge
from gateway.routing import UPSTREAMS, WEB
from gateway.upstreams import Upstreams
from servicekit.errors import Problem

log = structlog.get_logger(__name__)

_FETCH_SECONDS = 5.0
_SOON_SECONDS = 5.0


class MergedDocument:
    """Fetches at most once at a time, and at most every `seconds`."""

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        public_url: str,
        seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstreams = upstreams
        self._public_url = public_url
        self._seconds = seconds
        self._now = now
        self._documents: dict[str, Document] = {}
        self._merged: bytes | None = None
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    async def read(self) -> bytes:
        """The document, as JSON; never fails, as it says itself what is missing."""
        async with self._lock:
            if self._merged is None or self._now() >= self._good_until:
                await self._fetch()
            assert self._merged is not None  # noqa: S101 - _fetch sets it
            return self._merged

    async def _fetch(self) -> None:
        # Pages are no API: web's own document is not asked for.
        services = [name for name in self._upstreams.names if name != WEB]
        answers = await asyncio.gather(*(self._ask(service) for service in services))
        down = [service for service, answer in zip(services, answers, strict=True) if not answer]
        # One without an address is missing as well, but asking again soon would not find it.
        unknown = [name for name in UPSTREAMS if name != WEB and name not in self._upstreams.names]
        missing = sorted([*unknown, *(service for service in down if service not in self._documents)])
        merged = merge(self._documents, missing=missing, public_url=self._public_url)
        self._merged = json.dumps(merged, ensure_ascii=False, separators=(",", ":")).encode()
        self._good_until = self._now() + (min(_SOON_SECONDS, self._seconds) if down else self._seconds)

    async def _ask(self, service: str) -> bool:
        try:
            document = await self._upstreams.fetch_json(service, "/openapi.json", seconds=_FETCH_SECONDS)
        except Problem as problem:
            log.warning("no OpenAPI document", upstream=service, reason=problem.detail)
            return False
        if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
            log.warning("no OpenAPI document", upstream=service, reason="it is none")
            return False
        self._documents[service] = document
        return True
