"""An HTTP server in this process that stands where a service would, for what a real one does not do on demand.

It tells what reached it, and misbehaves as the path says: slow, silent, broken off, no HTTP at all, without end.
Used by test_edge.py; the real services are in test_platform.py.
"""

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

BLOCK = bytes(range(256)) * 256
"""64 KiB that repeat in large answers."""


@dataclass
class Seen:
    """One request as it reached the upstream. Header names are in lower case, in the order they came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name.lower()]
        assert len(found) < 2, f"{name} came {len(found)} times"
        return found[0] if found else None


@dataclass
class Upstream:
    """`seen` holds what came, in order; `left` is set once a client of an endless answer has gone."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    def last(self) -> Seen:
        return self.seen[-1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        digest = hashlib.sha256()
        body = b""
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            body += chunk
        headers = [(name.decode().lower(), value.decode()) for name, value in request.raw_headers]
        self.seen.append(Seen(request.method, request.raw_path, headers, body))
        behave = {
            "slow": self._slow,
            "silent": self._silent,
            "large": self._large,
            "whole": self._whole,
            "endless": self._endless,
            "cut": self._cut,
            "gone": self._gone,
            "garbage": self._garbage,
            "headers": self._headers,
            "empty": self._empty,
            "stranger": self._stranger,
        }.get(request.query.get("do", ""))
        if behave is not None:
            return await behave(request)
        return web.json_response({"length": len(body), "sha256": digest.hexdigest()})

    async def _slow(self, _request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response(text="too late")

    async def _silent(self, request: web.Request) -> web.StreamResponse:
        """Begins an answer and says no more."""
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"the beginning")
        await asyncio.sleep(30)
        return response

    async def _large(self, request: web.Request) -> web.StreamResponse:
        return await self._in_blocks(request, web.StreamResponse())

    async def _in_blocks(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        await response.prepare(request)
        for _ in range(int(request.query["blocks"])):
            await response.write(BLOCK)
        return response

    async def _whole(self, request: web.Request) -> web.StreamResponse:
        """As large as that one, and says so."""
        response = web.StreamResponse()
        response.content_length = int(request.query["blocks"]) * len(BLOCK)
        return await self._in_blocks(request, response)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"data: still here\n\n")
                await asyncio.sleep(0.05)
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"not a thousand bytes")
        assert request.transport is not None
        request.transport.close()
        return response

    async def _gone(self, request: web.Request) -> web.StreamResponse:
        """As a process that is killed with its answer unsent."""
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _garbage(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"this is no HTTP\r\n\r\n")
        request.transport.close()
        return web.Response()

    async def _headers(self, request: web.Request) -> web.StreamResponse:
        """What must not come back, and what must."""
        response = web.Response(text="{}", content_type="application/json")
        response.headers.update(
            {
                "Connection": "X-Hop",
                "X-Hop": "1",
                "Keep-Alive": "timeout=99",
                "Proxy-Authenticate": "Basic",
                "Server": "inside/1.0",
                "X-Powered-By": "inside",
                "Set-Cookie": "a=b",
                "Access-Control-Allow-Origin": "https://evil.example",
                "Access-Control-Allow-Credentials": "true",
                "ETag": '"7"',
                "Link": '</v1/business?cursor=x>; rel="next"',
                "Location": f"http://{request.headers['Host']}/v1/business/1",
            }
        )
        return response

    async def _stranger(self, _request: web.Request) -> web.StreamResponse:
        """As whoever has the address now."""
        response = web.Response(status=403, text="denied")
        response.headers["X-Request-ID"] = "somebody-elses"
        return response

    async def _empty(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=204)


async def _give_back_the_id(request: web.Request, response: web.StreamResponse) -> None:
    """As every service does."""
    response.headers.setdefault("X-Request-ID", request.headers.get("X-Request-ID", ""))


@contextmanager
def serving() -> Iterator[Upstream]:
    """The server on a free port, on a thread of its own."""
    upstream = Upstream()
    loop = asyncio.new_event_loop()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", upstream.handle)
    app.on_response_prepare.append(_give_back_the_id)
    # Cancels a handler whose client has gone, so that an endless answer can tell.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    upstream.url = f"http://127.0.0.1:{asyncio.run_coroutine_threadsafe(start(), loop).result(10)}"
    try:
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
