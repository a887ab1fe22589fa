"""HTTP/1.1 as uvicorn speaks it, with limits: on the size of all but bodies, on the time until a request's head is
complete, and on how long an answer waits for a client that does not read it.

Wired by servicekit.runtime. httptools has no limits of its own: it would go on collecting one endless header, at
quadratic cost, of a request that no other limit counts, as it never begins. And of a request that asks for another
protocol it would lose the body, or read it as the next request.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BYTES = 64 * 1024
_LEAST_TAKEN = 16 * 1024


class _Parser:
    """httptools' parser, but ignoring Upgrade, as a server may (RFC 9110 §7.8).

    httptools stops after a head with it. That head is then parsed again without the header, by a new parser that
    goes on with what follows. While `should_upgrade`, which is in the first parse, the protocol ignores its calls.
    """

    def __init__(self, protocol: "BoundedProtocol") -> None:
        self._protocol = protocol
        self._begin()

    def _begin(self) -> None:
        self._http = httptools.HttpRequestParser(self._protocol)
        # As uvicorn has it, for what a client sends behind a request that it said is its last.
        self._http.set_dangerous_leniencies(lenient_data_after_close=True)
        self.get_method = self._http.get_method
        self.get_http_version = self._http.get_http_version
        self.should_keep_alive = self._http.should_keep_alive
        self.should_upgrade = self._http.should_upgrade

    def feed_data(self, data: bytes) -> None:
        """Raises httptools.HttpParserError."""
        while data:
            try:
                self._http.feed_data(data)
            except httptools.HttpParserUpgrade as stopped:
                head = self._head_without_upgrade()
                self._begin()
                data = head + data[stopped.args[0] :]
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        method, version = self._http.get_method(), self._http.get_http_version().encode()
        headers = [
            name + b": " + value + b"\r\n" for name, value in self._protocol.headers if name != b"upgrade"
        ]
        return b"%s %s HTTP/%s\r\n%s\r\n" % (method, self._protocol.url, version, b"".join(headers))


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection with a 431 after 64 KiB that were no progress, and with a 408 when no head came in 30 s.

    The 64 KiB bound the head of a request, and the extensions and trailers of a chunked body. A request for another
    protocol is answered as if it were none; one for a tunnel (CONNECT) is refused with a 400.

    A client that reads less than 16 KiB of a waiting answer in 20 s, or not all of a smaller rest, is cut off. Else
    a client that does not read could keep, for as long as it likes, the memory of the answer and what that comes
    from, such as a connection to the service behind the gateway: closing waits for what was written, too.
    """

    head_seconds = 30.0
    take_seconds = 20.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.parser = _Parser(self)  # type: ignore[assignment]  # all of it that uvicorn uses
        self._steps = 0
        self._gathered = 0
        self._late: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._taken()
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
            # No request is being answered, and uvicorn has ended its own wait for the next as these bytes came.
            self._await_head()

    def on_message_begin(self) -> None:
        self._steps += 1
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._steps += 1
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("a tunnel")  # which httptools makes an HttpParserError, and uvicorn a 400
        if self.parser.should_upgrade():
            return
        self._head_came()
        if not self.flow.write_paused:
            self._taken()  # the next answer's bytes would look like the rest of the last one
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._steps += 1
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_taking()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            self._taken()
            self._await_rest()
        super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvloop writes to the socket when this turn of the loop is over; mostly that takes all, and no timer is
        # needed.
        self.loop.call_soon(self._await_rest)

    def _await_rest(self) -> None:
        """Starts the timer for the rest of an answer; not while another is being written, whose bytes may be all
        that waits: for those pause_writing starts it.
        """
        if self.transport.is_closing() or self.cycle.response_complete:
            self._await_taking()

    def _await_taking(self) -> None:
        waits = self.transport.get_write_buffer_size()
        if waits and self._untaken is None:
            self._untaken = self.loop.call_later(self.take_seconds, self._check_taken, waits)

    def _check_taken(self, waited: int) -> None:
        self._untaken = None
        waits = self.transport.get_write_buffer_size()
        if waits and waited - waits < _LEAST_TAKEN:
            self.transport.abort()
        else:
            self._await_taking()

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

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
