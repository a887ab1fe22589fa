"""A request's body on its way to a service: read whole before one of the connections to the service is taken.

Used by gateway.proxy. A service never gets half of one, and who sends slowly keeps a connection from nobody: there
are `upstream_connections` for all clients. What that takes is memory, 1 MiB a request at most (the edge of
servicekit.http refuses more); so large ones take turns.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.types import Receive

from gateway.errors import BodyTooSlow, ClientGone, MalformedRequest

_SMALL = 64 * 1024
_LARGE_AT_ONCE = 64
_SLOWEST = 16 * 1024
"""Bytes a second that a body must come at, on average and beside its first `seconds`."""


class Bodies:
    """All requests' bodies. `seconds` is how long one may take to begin, and to pause."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    @asynccontextmanager
    async def whole(self, receive: Receive, headers: Mapping[bytes, bytes]) -> AsyncIterator[bytes | None]:
        """The body, for the block; None where the request has none.

        Raises ClientGone, BodyTooSlow, MalformedRequest, or what `receive` raises.
        """
        if not _expected(headers):
            yield None
            return
        async with AsyncExitStack() as turns:
            try:
                body = await self._read(receive, turns)
            except TimeoutError:
                raise BodyTooSlow(
                    f"The body did not come within {self._seconds:g} s and at {_SLOWEST // 1024} KiB a second."
                ) from None
            yield body

    async def _read(self, receive: Receive, turns: AsyncExitStack) -> bytes:
        body = bytearray()
        async with asyncio.timeout(self._seconds) as limit:
            latest = limit.when()
            assert latest is not None  # noqa: S101 - it has seconds
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone("The client went away before its body was complete.")
                more = message.get("more_body", False)
                small = len(body) <= _SMALL
                body += message.get("body", b"")
                if small and len(body) > _SMALL:
                    await turns.enter_async_context(self._large)
                limit.reschedule(latest + len(body) / _SLOWEST)
        return bytes(body)


def _expected(headers: Mapping[bytes, bytes]) -> bool:
    if b"transfer-encoding" in headers:
        return True
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise MalformedRequest("Content-Length is not a number.")
    return int(length) > 0
