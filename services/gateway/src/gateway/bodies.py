"""A request's body on its way to a service.

Used by gateway.proxy. Small bodies of known length are read whole first: that is cheaper, and a service never gets
half of one. The others are passed on as they come; the client library's own timeouts start only once a body is
sent, so a client that stops sending is noticed here. What goes wrong on the client's side while the client library
reads the stream is kept in `failure`, as the library only says that sending failed.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from starlette.types import Receive

from gateway.errors import BodyTooSlow, ClientGone, MalformedRequest

_READ_WHOLE = 64 * 1024


class RequestBody:
    """One request's body. `length` is None when the client did not say."""

    def __init__(self, receive: Receive, headers: dict[bytes, bytes], *, seconds: float) -> None:
        self._receive = receive
        self._seconds = seconds
        self._begun = False
        self.chunked = b"transfer-encoding" in headers
        self.length = None if self.chunked else _length(headers.get(b"content-length", b"0"))
        self.finished = self.length == 0
        self.failure: Exception | None = None

    async def data(self) -> "bytes | RequestBody | None":
        """What the client library sends. Raises ClientGone, BodyTooSlow, or what `receive` raises."""
        if self.finished:
            return None
        if self.length is None or self.length > _READ_WHOLE:
            return self
        try:
            async with asyncio.timeout(self._seconds):
                return b"".join([chunk async for chunk in self])
        except TimeoutError:
            raise BodyTooSlow(f"The body did not arrive within {self._seconds:g} s.") from None

    def __aiter__(self) -> AsyncIterator[bytes]:
        # The library repeats idempotent requests when a pooled connection turns out closed; a stream cannot be.
        if self._begun:
            raise aiohttp.ClientConnectionError("a body that is streamed cannot be sent again")
        self._begun = True
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while not self.finished:
                try:
                    async with asyncio.timeout(self._seconds):
                        message = await self._receive()
                except TimeoutError:
                    raise BodyTooSlow(f"Nothing of the body came for {self._seconds:g} s.") from None
                if message["type"] == "http.disconnect":
                    raise ClientGone("The client went away before its body was complete.")
                self.finished = not message.get("more_body", False)
                chunk: bytes = message.get("body", b"")
                if chunk:
                    yield chunk
        except Exception as error:
            self.failure = error
            raise


def _length(value: bytes) -> int:
    if not value.isdigit():
        raise MalformedRequest("Content-Length is not a number.")
    return int(value)
