"""A request's body on its way to a service: read whole before one of the connections to the service is taken.

Used by gateway.proxy. A service never gets half of one, and a client that sends slowly does not occupy one of the
`upstream_connections`, which all clients share. It takes memory, 1 MiB a request at most (servicekit.http.edge
refuses more); so large ones take turns, of which one client's address has a part.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.types import Receive

from gateway.errors import BodyTooSlow, ClientGone, MalformedRequest
from servicekit.addresses import counted_as
from servicekit.concurrency import ConcurrencyLimit

_SMALL = 64 * 1024
_LARGE_AT_ONCE = 64
_LARGE_OF_ONE = 8
"""Large bodies of one address at a time, as the limits count addresses: a slow client takes minutes for one."""
_TURN_SECONDS = 5.0
_SLOWEST = 16 * 1024
"""Bytes a second at which a body must come on average, after its first `seconds`."""


class Bodies:
    """Reads requests' bodies. One may take `seconds`, and a second more for each 16 KiB that have come."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._large = ConcurrencyLimit[str](
            _LARGE_AT_ONCE,
            _LARGE_OF_ONE,
            seconds=_TURN_SECONDS,
            refusal=f"Too many requests of more than {_SMALL // 1024} KiB are being read at the moment.",
        )

    @asynccontextmanager
    async def whole(
        self, receive: Receive, headers: Mapping[bytes, bytes], address: str
    ) -> AsyncIterator[bytes | None]:
        """The body, for the block; None where the request has none. `address` is its client's.

        Raises ClientGone, BodyTooSlow, MalformedRequest, Unavailable, or what `receive` raises.
        """
        if not _expected(headers):
            yield None
            return
        async with AsyncExitStack() as turns:
            try:
                body = await self._read(receive, address, turns)
            except TimeoutError:
                raise BodyTooSlow(
                    f"The body did not come within {self._seconds:g} s and at {_SLOWEST // 1024} KiB a second."
                ) from None
            yield body

    async def _read(self, receive: Receive, address: str, turns: AsyncExitStack) -> bytes:
        body, now = bytearray(), asyncio.get_running_loop().time
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
                    # The wait for a turn, which others cause, does not count as the sender's time.
                    limit.reschedule(None)
                    began = now()
                    await turns.enter_async_context(self._large.acquire(counted_as(address)))
                    latest += now() - began
                limit.reschedule(latest + len(body) / _SLOWEST)
        return bytes(body)


def _expected(headers: Mapping[bytes, bytes]) -> bool:
    if b"transfer-encoding" in headers:
        return True
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise MalformedRequest("Content-Length is not a number.")
    return int(length) > 0
