"""A business's own server that takes webhooks: it answers as it is told to, and keeps what it was sent.

Real HTTP on 127.0.0.1, for tests of notification's webhooks.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

_LONGEST_HOLD = 60


@dataclass(frozen=True)
class Reply:
    """An answer. `pieces` are sent one every 50 ms after the body, without an end being announced."""

    status: int = 204
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pieces: int = 0


@dataclass(frozen=True)
class Webhook:
    """A request as it came; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


def verified(secret: str, webhook: Webhook) -> bool:
    """By the specification's own library for receivers, which reads the machine's clock: for what came just now."""
    try:
        Verifier(secret).verify(webhook.body, webhook.headers)
    except WebhookVerificationError:
        return False
    return True


class Receiver:
    """`answers[path]` are given one after another; the last one stays. Without any, 204."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Reply]] = {}
        self.most_at_once: dict[str, int] = defaultdict(int)
        self.url = ""
        self._webhooks: list[Webhook] = []
        self._held: dict[str, threading.Event] = {}
        self._now: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def answer(self, path: str, *replies: int | Reply) -> None:
        self.answers[path] = [Reply(item) if isinstance(item, int) else item for item in replies]

    @contextmanager
    def held(self, path: str) -> Iterator[None]:
        """Requests to the path get no answer within the block."""
        released = self._held[path] = threading.Event()
        try:
            yield
        finally:
            del self._held[path]
            released.set()

    def webhooks(self, path: str) -> list[Webhook]:
        """What came to the path, in its order."""
        with self._lock:
            return [item for item in self._webhooks if item.path == path]

    def take(self, webhook: Webhook) -> Reply:
        """Keeps it, waits where it is to be held, and finds the answer."""
        path = webhook.path
        with self._lock:
            self._webhooks.append(webhook)
            self._now[path] += 1
            self.most_at_once[path] = max(self.most_at_once[path], self._now[path])
            replies = self.answers.get(path, [Reply()])
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        released = self._held.get(path)
        if released is not None:
            assert released.wait(_LONGEST_HOLD), f"{path} was held too long"
        with self._lock:
            self._now[path] -= 1
        return reply


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens within the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.take(Webhook(self.path, headers, body))
            try:
                self._send(reply)
            except OSError:  # whoever sent it has gone
                self.close_connection = True

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if not reply.pieces:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
            for _ in range(reply.pieces):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.05)

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
