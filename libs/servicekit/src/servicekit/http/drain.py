"""Leaving without cutting anybody off: between the order to stop and the stop, a process answers for a while and
asks each client to come back on another connection.

A client that reuses connections, as the gateway does, would else send a request just as the process closes. Load
balancers hear of the end meanwhile; on a busy node that can take long, so as long as somebody asks, it goes on.
Wired by servicekit.runtime; how long is `drain_seconds`.
"""

import asyncio
import signal
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit.http.edge import PROBES

log = structlog.get_logger(__name__)


_LONGEST = 4
"""Times `drain_seconds`, after which it stops though it is still asked; a pod's grace period has room for it."""


class DrainingServer(uvicorn.Server):
    """At SIGTERM it goes on, with `draining` set, until nobody has asked for `seconds`; four times that at most.

    At a second one, or SIGINT, it stops at once.
    """

    def __init__(self, config: uvicorn.Config, seconds: float) -> None:
        super().__init__(config)
        self.draining = False
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._asked = self._told = 0.0

    def asked(self) -> None:
        """A client's request has come."""
        self._asked = self._loop.time()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the interpreter when the signal is there."""
        if sig == signal.SIGTERM and self._seconds > 0 and not self.draining:
            self.draining = True
            self._loop.call_soon_threadsafe(self._drain)
        else:
            super().handle_exit(sig, frame)

    def _drain(self) -> None:
        log.info("drains before it stops", seconds=self._seconds)
        self._told = self._loop.time()
        self._stop_when_quiet()

    def _stop_when_quiet(self) -> None:
        quiet_at = max(self._told, self._asked) + self._seconds
        until = min(quiet_at, self._told + _LONGEST * self._seconds)
        if self._loop.time() < until:
            self._loop.call_at(until, self._stop_when_quiet)
        else:
            super().handle_exit(signal.SIGTERM, None)


class CloseWhenDraining:
    """ASGI middleware: while the server drains, each answer is its connection's last (RFC 9112 §9.6)."""

    def __init__(self, app: ASGIApp, server: DrainingServer) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES:
            self._server.asked()

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._server.draining:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)
