"""Streams the API's files to the browser: of any size, and never whole in memory. Used by `web.dashboard.exports`.

A browser takes an answer that ends in order for the whole file, and one that breaks off for a failed download
(docs/records.md). So where the API's answer breaks off, the browser's must not be ended in order either.
"""

from contextlib import aclosing

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from web.gateway_client import Download, GatewayDown

log = structlog.get_logger(__name__)


class StreamedDownload(StreamingResponse):
    """A download on its way to the browser, under the name that the API gave it."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self._parts = download.parts()
        super().__init__(self._parts, headers=download.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # This is cancelled when the browser disconnects.
            await super().__call__(scope, receive, send)
        finally:
            self._download.close()

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._parts):
            try:
                await super().stream_response(send)
            except GatewayDown as error:
                # Returning with an incomplete answer makes the server close the connection, which the browser sees.
                log.warning("a download broke off", error=str(error))
