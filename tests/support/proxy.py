"""A TCP proxy that a test can cut, slow down, or make silent: the network between two parts.

It runs in a thread of its own, with its own loop, so that a busy test does not slow it.
"""

import asyncio
import threading
from collections.abc import Callable

_CHUNK = 64 * 1024


class Cut(ConnectionAbortedError):
    """Breaks a connection, both of its ends; `last` is what of a chunk still goes on."""

    def __init__(self, last: bytes = b"") -> None:
        super().__init__()
        self.last = last


class Tap:
    """Sees what one connection carries, and decides what of it goes on; this one lets everything pass.

    Each method gets a chunk and answers what takes its place, at once; it may raise Cut.
    """

    def forth(self, data: bytes) -> bytes:
        """From whoever has connected."""
        return data

    def back(self, data: bytes) -> bytes:
        """To them."""
        return data


class Proxy:
    """From `port` on this machine to `target`, also on it; each connection goes through a tap of its own."""

    def __init__(self, port: int, target: int, tap: Callable[[], Tap] = Tap) -> None:
        self.port = port
        self._target = target
        self._tap = tap
        self._delay = 0.0
        self._open = asyncio.Event()
        self._closed = asyncio.Event()
        self._links: set[asyncio.StreamWriter] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10), "the proxy did not start"

    async def _run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._open.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        ready.set()
        await self._closed.wait()
        server.close()
        self._cut()

    def cut(self) -> None:
        """Every connection breaks, in the midst of whatever it carries; new ones are taken."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in list(self._links):
            writer.transport.abort()

    def delay(self, seconds: float) -> None:
        """Each chunk waits so long, in either direction."""
        self._delay = seconds

    def silence(self) -> None:
        """Nothing passes until `heal`; nothing breaks either."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        self._delay = 0.0
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        """Its port is free again then, and its connections have ended."""
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self._links |= ends
        tap = self._tap()
        try:
            await asyncio.gather(self._pass(reader, back, tap.forth), self._pass(there, writer, tap.back))
        finally:
            self._links -= ends
            for end in ends:
                end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, through: Callable[[bytes], bytes]
    ) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._open.wait()
                writer.write(through(data))
                await writer.drain()
            writer.write_eof()
        except Cut as cut:
            writer.write(cut.last)
            writer.transport.abort()
        except OSError:  # a reset goes on to the other end: a server would keep a dead client's locks
            writer.transport.abort()
