"""Servers that a provider may meet on a bad day: SMTP and HTTP, each with one fault a connection and then none.

Real sockets, as half an answer or a reset cannot be had from a well-behaved library. Used by the tests of
servicekit.mail and of notification.
"""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from enum import Enum
from typing import Any

_GARBAGE = b"\x00\xff\xfe\x80 what?\r\n\r\n"
_PATIENCE = 10.0


class SmtpFault(Enum):
    """What goes wrong on one connection."""

    CLOSES = "closes at once"
    SILENT = "says nothing"
    NOT_NOW = "greets with 554"
    GARBAGE_GREETING = "greets with garbage"
    GARBAGE_EHLO = "answers EHLO with garbage"
    GARBAGE_RCPT = "answers RCPT with garbage"
    HALF_RCPT = "answers RCPT by half a line and closes"
    BUSY_RCPT = "is too busy for the recipient (451)"
    STRANGER = "asks who we are (530)"
    RESET_IN_DATA = "resets the connection while the content comes"
    GARBAGE_AFTER_DATA = "has the content, and answers with garbage"
    RESET_AFTER_DATA = "has the content, and resets the connection"
    NO_GOODBYE = "takes the mail and does not answer QUIT"


HAS_CONTENT = frozenset({SmtpFault.GARBAGE_AFTER_DATA, SmtpFault.RESET_AFTER_DATA})
"""Faults of a server that has the mail."""
IN_DOUBT = HAS_CONTENT | {SmtpFault.RESET_IN_DATA}
"""Faults after which a client cannot know whether it has."""


class _Server:
    """Accepts connections on a port of its own, a thread for each."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(_PATIENCE)
            threading.Thread(target=self._guarded, args=(connection,), daemon=True).start()

    def _guarded(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.talk(connection)
            except OSError:
                return

    def talk(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._socket.close()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _wait_for_end(connection: socket.socket) -> None:
    """Says nothing until the other side has had enough."""
    while connection.recv(65536):
        pass


class BadSmtpServer(_Server):
    """`faults` are spent one a connection. `taken` are the Message-IDs that it has said 250 to, `seen` all.

    `keep` is handed each mail whole; `rcpt` is its answer about recipients.
    """

    def __init__(self, *faults: SmtpFault, rcpt: bytes = b"250 ok\r\n") -> None:
        self.faults = deque(faults)
        self.taken: list[str] = []
        self.seen: list[str] = []
        self.rcpt = rcpt
        self.keep: Callable[[bytes], object] = len
        super().__init__()

    def talk(self, connection: socket.socket) -> None:
        with self._lock:
            fault = self.faults.popleft() if self.faults else None
        if fault is SmtpFault.CLOSES:
            return
        if fault is SmtpFault.SILENT:
            _wait_for_end(connection)
            return
        greetings = {SmtpFault.NOT_NOW: b"554 not now\r\n", SmtpFault.GARBAGE_GREETING: _GARBAGE}
        connection.sendall(greetings.get(fault, b"220 here\r\n") if fault else b"220 here\r\n")
        lines = connection.makefile("rb")
        while line := lines.readline():
            if not self._answer(line.split()[0].upper(), fault, connection, lines.readline):
                return

    def _answer(
        self,
        command: bytes,
        fault: SmtpFault | None,
        connection: socket.socket,
        next_line: Callable[[], bytes],
    ) -> bool:
        match command, fault:
            case b"EHLO", SmtpFault.GARBAGE_EHLO:
                connection.sendall(_GARBAGE)
            case b"RCPT", SmtpFault.GARBAGE_RCPT:
                connection.sendall(_GARBAGE)
            case b"RCPT", SmtpFault.HALF_RCPT:
                connection.sendall(b"25")
                return False
            case b"RCPT", SmtpFault.BUSY_RCPT:
                connection.sendall(b"451 later\r\n")
            case b"RCPT", SmtpFault.STRANGER:
                connection.sendall(b"530 5.7.0 who are you?\r\n")
            case b"RCPT", _:
                connection.sendall(self.rcpt)
            case b"DATA", _:
                return self._content(fault, connection, next_line)
            case b"QUIT", SmtpFault.NO_GOODBYE:
                _wait_for_end(connection)
                return False
            case b"QUIT", _:
                connection.sendall(b"221 bye\r\n")
                return False
            case _:
                connection.sendall(b"250 ok\r\n")
        return True

    def _content(
        self, fault: SmtpFault | None, connection: socket.socket, next_line: Callable[[], bytes]
    ) -> bool:
        connection.sendall(b"354 go on\r\n")
        if fault is SmtpFault.RESET_IN_DATA:
            next_line()
            _reset(connection)
            return False
        content = bytearray()
        while (line := next_line()) != b".\r\n":
            if not line:
                return False
            content += line
        self.keep(bytes(content))
        message_id = str(message_from_bytes(bytes(content))["Message-ID"])
        with self._lock:
            self.seen.append(message_id)
        if fault is SmtpFault.GARBAGE_AFTER_DATA:
            connection.sendall(_GARBAGE)
            return True
        if fault is SmtpFault.RESET_AFTER_DATA:
            _reset(connection)
            return False
        with self._lock:
            self.taken.append(message_id)
        connection.sendall(b"250 taken\r\n")
        return True


class HttpFault(Enum):
    """What goes wrong with one request; in each the request was read whole, or not at all."""

    CLOSES = "closes at once"
    SILENT = "says nothing"
    RESET = "reads the request and resets the connection"
    GARBAGE = "answers with garbage"
    HALF_HEAD = "closes in the middle of the header"
    HALF_BODY = "closes in the middle of the body"
    ERROR_IN_200 = "answers 200 with an error in it"
    PAGE_IN_200 = "answers 200 with a page"
    ENDLESS_200 = "answers 200 with more than anybody reads"
    BAD_GATEWAY = "answers 502"
    UNKNOWN_TOKEN = "answers 401"
    ELSEWHERE = "answers 307"


HTTP_IN_DOUBT = frozenset(HttpFault) - {HttpFault.UNKNOWN_TOKEN, HttpFault.ELSEWHERE}
"""Those after which a client cannot know whether the message was taken."""


def _answered(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


_ANSWERS = {
    HttpFault.GARBAGE: _GARBAGE,
    HttpFault.HALF_HEAD: b"HTTP/1.1 200 OK\r\nContent-Le",
    HttpFault.HALF_BODY: _answered("200 OK", b'{"id": "a', length=40),
    HttpFault.ERROR_IN_200: _answered("200 OK", b'{"error": "no credit left"}'),
    HttpFault.PAGE_IN_200: _answered("200 OK", b"<html>Please sign in</html>"),
    HttpFault.ENDLESS_200: _answered("200 OK", b" " * 200_000),
    HttpFault.BAD_GATEWAY: _answered("502 Bad Gateway"),
    HttpFault.UNKNOWN_TOKEN: _answered("401 Unauthorized"),
    HttpFault.ELSEWHERE: _answered("307 Temporary Redirect", b"", "Location: /elsewhere"),
}


@dataclass
class BadHttpServer(_Server):
    """`faults` are spent one a request; `taken` are the bodies that it has said 202 to, by Idempotency-Key."""

    faults: deque[HttpFault] = field(default_factory=deque)
    taken: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answer: bytes = _answered("202 Accepted", b'{"id": "sms-1"}')

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/messages"

    def talk(self, connection: socket.socket) -> None:
        with self._lock:
            fault = self.faults.popleft() if self.faults else None
        if fault is HttpFault.CLOSES:
            return
        headers, body = _request(connection)
        with self._lock:
            self.keys.append(headers["idempotency-key"])
        if fault is HttpFault.SILENT:
            _wait_for_end(connection)
        elif fault is HttpFault.RESET:
            _reset(connection)
        elif fault is not None:
            connection.sendall(_ANSWERS[fault])
        else:
            with self._lock:
                self.taken.append(json.loads(body))
            connection.sendall(self.answer)


def _request(connection: socket.socket) -> tuple[dict[str, str], bytes]:
    lines = connection.makefile("rb")
    lines.readline()
    headers: dict[str, str] = {}
    while line := lines.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return headers, lines.read(int(headers["content-length"]))
