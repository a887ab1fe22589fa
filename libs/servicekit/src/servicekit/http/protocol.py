"""HTTP/1.1 as uvicorn speaks it, with bounds on what is no body: how long it is, and how long a head takes.

Wired by servicekit.runtime. httptools has no bounds of its own: it would go on gathering one endless header, at a
cost that grows with its square, of a request that no limit counts as it never begins.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BYTES = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection on which 64 KiB came that led to nothing, with a 431, or no head within 30 s, with a 408.

    It is for the head of a request, and for the extensions and trailers of a chunked body.
    """

    head_seconds = 30.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._steps = 0
        self._gathered = 0
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        steps = self._steps
        super().data_received(data)
        self._gathered = 0 if steps != self._steps else self._gathered + len(data)
        if self._gathered > _BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self.cycle is None or self.cycle.response_complete:
            # No request is being answered, and uvicorn waits no more for the next to begin.
            self._await_head()

    def on_message_begin(self) -> None:
        self._steps += 1
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._steps += 1
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._steps += 1
        super().on_message_complete()

    def _await_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.head_seconds, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _head_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._head_came()
        if self.transport.is_closing():
            return
        if self._steps:  # something has come
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.write(head.encode())
        self.transport.close()
