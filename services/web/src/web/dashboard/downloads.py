"""Files that the API makes, passed on to the browser while they come: of any size, and never whole in memory.

A file's end is its answer's end, and an answer whose end never comes is a file that was cut (docs/records.md). So
one that breaks off between here and the service must not be ended here either. Used by `web.dashboard.exports`.
"""

from contextlib import aclosing

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from web.gateway_client import Download, GatewayDown

log = structlog.get_logger(__name__)


class Passed(StreamingResponse):
    """A download on its way to the browser, under the name that the API gave it."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self._parts = download.parts()
        super().__init__(self._parts, headers=download.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # A browser that leaves cancels what is done here.
            await super().__call__(scope, receive, send)
        finally:
            self._download.close()

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._parts):
            try:
                await super().stream_response(send)
            except GatewayDown as error:
                # Returning with the answer incomplete makes the server end the connection, as the browser can see.
                log.warning("a download broke off", error=str(error))
