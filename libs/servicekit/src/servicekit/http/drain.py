"""Leaving without cutting anybody off: between the order to stop and the stop, a process answers for a while and
asks each client to come back on another connection.

A client that reuses connections, as the gateway does, would else send a request just as the process closes. Load
balancers hear of the end meanwhile. Wired by servicekit.runtime; how long is `drain_seconds`.
"""

import asyncio
import signal
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)


class DrainingServer(uvicorn.Server):
    """At SIGTERM it goes on for `seconds`, with `draining` set; at a second one, or SIGINT, it stops at once."""

    def __init__(self, config: uvicorn.Config, seconds: float) -> None:
        super().__init__(config)
        self.draining = False
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the interpreter when the signal is there."""
        if sig == signal.SIGTERM and self._seconds > 0 and not self.draining:
            self.draining = True
            self._loop.call_soon_threadsafe(
                self._loop.call_later, self._seconds, super().handle_exit, sig, None
            )
            log.info("drains before it stops", seconds=self._seconds)
        else:
            super().handle_exit(sig, frame)


class CloseWhenDraining:
    """ASGI middleware: while the server drains, each answer is its connection's last (RFC 9112 §9.6)."""

    def __init__(self, app: ASGIApp, server: DrainingServer) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._server.draining:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)
