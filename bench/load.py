"""HTTP load that costs little, as it shares the machine with what it loads: raw HTTP/1.1 over kept connections.

Used by booking's benches. `closed` sends from so many clients one request after another; `opened` sends at a rate,
whether or not the answers come, and measures each from the moment at which it was due.
"""

import asyncio
import resource
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

_MOST_CONNECTIONS = 256

Request = Callable[[], bytes]
"""Makes the next request, head and body."""


@dataclass
class Run:
    """What one load found. `latencies` in seconds, by status; `cpu` is what the load itself took of the cores."""

    seconds: float = 0
    cpu: float = 0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.statuses.total() / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    def __str__(self) -> str:
        return f"{self.rate:6.0f}/s  p50 {self.percentile(0.5):6.2f} ms  p99 {self.percentile(0.99):6.2f} ms"


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """A request with a JSON body, or none."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class _Connection(asyncio.Protocol):
    """One connection, one request at a time; our services always say how long an answer is."""

    def __init__(self) -> None:
        self.is_lost = False
        self._got = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not derive from it

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("closed before the answer came"))

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._got[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        if len(self._got) < end + 4 + length:
            return
        self._got = b""
        assert self._answer is not None
        self._answer.set_result(int(head[9:12]))

    async def send(self, request: bytes) -> int:
        """Answers the status."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def _connect(url: str) -> _Connection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    _, made = await asyncio.get_running_loop().create_connection(_Connection, parts.hostname, parts.port)
    return made


def closed(urls: Sequence[str], make: Request, *, clients: int, seconds: float = 0, count: int = 0) -> Run:
    """So many clients, spread over the addresses, for so long or until so many requests are sent."""
    return _measured(_closed(urls, make, clients, seconds, count))


def opened(url: str, make: Request, *, rate: float, seconds: float) -> Run:
    """`rate` requests a second, evenly spaced."""
    return _measured(_opened(url, make, rate, seconds))


def _measured(work: Coroutine[Any, Any, Run]) -> Run:
    before = resource.getrusage(resource.RUSAGE_SELF)
    run = uvloop.run(work)
    after = resource.getrusage(resource.RUSAGE_SELF)
    run.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return run


async def _closed(urls: Sequence[str], make: Request, clients: int, seconds: float, count: int) -> Run:
    run = Run()
    connections = [await _connect(urls[number % len(urls)]) for number in range(clients)]
    begun = time.perf_counter()
    left = count

    async def client(connection: _Connection) -> None:
        nonlocal left
        while left > 0 if count else time.perf_counter() - begun < seconds:
            left -= 1
            sent = time.perf_counter()
            run.statuses[await connection.send(make())] += 1
            run.latencies.append(time.perf_counter() - sent)

    await asyncio.gather(*(client(connection) for connection in connections))
    run.seconds = time.perf_counter() - begun
    for connection in connections:
        connection.close()
    return run


async def _opened(url: str, make: Request, rate: float, seconds: float) -> Run:
    run = Run()
    idle: deque[_Connection] = deque()
    room = asyncio.Semaphore(_MOST_CONNECTIONS)
    begun = time.perf_counter()

    async def one(due: float) -> None:
        async with room:
            while idle and idle[-1].is_lost:  # a server closes what has been idle for a while
                idle.pop()
            connection = idle.pop() if idle else await _connect(url)
            run.statuses[await connection.send(make())] += 1
            run.latencies.append(time.perf_counter() - due)
            idle.append(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0, due - time.perf_counter()))
            group.create_task(one(due))
    run.seconds = time.perf_counter() - begun
    for connection in idle:
        connection.close()
    return run
