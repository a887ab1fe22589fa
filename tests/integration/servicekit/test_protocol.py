"""What uvicorn takes from a connection before there is a request, by bytes on a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, socket

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from servicekit.http.protocol import BoundedProtocol
from support.announced import AnnouncedServer

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


class Hurried(BoundedProtocol):
    head_seconds = 0.3


class Untaken(BoundedProtocol):
    """The kernel takes little of an answer."""

    take_seconds = 2.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
        super().connection_made(transport)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how many bytes the body has; at /large/, with so many pieces of 64 KiB."""
    if scope["path"].startswith("/large/"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for left in reversed(range(int(scope["path"].rpartition("/")[2]))):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": left > 0})
        return
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    body = str(length).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def listening(
    protocol: type[BoundedProtocol], *, idle_seconds: int = 600
) -> AsyncIterator[tuple[AnnouncedServer, int]]:
    """A server, and its port."""
    config = uvicorn.Config(
        echo, port=0, http=protocol, log_config=None, lifespan="off", timeout_keep_alive=idle_seconds
    )
    server = AnnouncedServer(config)
    serving = asyncio.create_task(server.serve())
    await server.listens.wait()
    yield server, server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with listening(BoundedProtocol) as (_server, port):
        yield port


async def poured(port: int, begin: bytes, piece: bytes) -> tuple[bytes, int]:
    """What is answered to these bytes and then pieces without end, and how many pieces were taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    pieces = 0
    with suppress(ConnectionError):
        while not reader.at_eof() and pieces < 10_000:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
            pieces += 1
    answer = b""
    with suppress(ConnectionError):  # else it is lost with those of our pieces that were not read
        answer = await reader.read()
    writer.close()
    return answer, pieces


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (GET + b"X-A: ", b"a" * 1024),
        (b"GET /", b"a" * 1024),
        (GET, b"X-A: a\r\n" * 128),
        (b"\r\n", b"\r\n" * 512),
        (GET + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: ", b"a" * 1024),
        (GET + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 1024),
    ],
    ids=["header", "target", "headers", "nothing", "trailer", "extension"],
)
async def test_what_is_no_body_has_an_end(port: int, begin: bytes, piece: bytes) -> None:
    answer, pieces = await poured(port, begin, piece)
    assert 64 <= pieces < 2000
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


async def test_large_heads_and_bodies_are_taken(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    chunks = b"".join(b"%x;b=c\r\n%s\r\n" % (size, b"x" * size) for size in (1, 100, 70_000, 200_000))
    for framed, length in (
        (b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000, 300_000),
        (b"X-A: " + b"a" * 30_000 + b"\r\n\r\n", 0),
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: a\r\n\r\n", 270_101),
    ):
        for piece in [GET, *(framed[at : at + 10_000] for at in range(0, len(framed), 10_000))]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(len(str(length))) == str(length).encode()
    writer.close()


@pytest.mark.parametrize("answered", [0, 1])
@pytest.mark.parametrize("begin", [b"", b"\r\n", b"G", GET + b"X-A: a"])
async def test_a_head_that_does_not_come_ends_the_connection(answered: int, begin: bytes) -> None:
    """Also behind a request that was answered. uvicorn itself ends a connection on which nothing comes then."""
    async with listening(Hurried, idle_seconds=1) as (_server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(answered):
            writer.write(GET + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(1)
        writer.write(begin)
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")
        writer.close()


UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
)
"""As Java's HttpClient asks over plain http unless it is told not to."""
SMUGGLED = GET + b"Content-Length: 7\r\n\r\n1234567"


@pytest.mark.parametrize(
    "asked", [UPGRADE, b"Connection: upgrade\r\nUpgrade: websocket\r\n"], ids=["h2c", "websocket"]
)
@pytest.mark.parametrize("apart", [True, False], ids=["body-later", "body-at-once"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
async def test_a_request_for_another_protocol_keeps_its_body(
    port: int, asked: bytes, *, apart: bool, chunked: bool
) -> None:
    """A body that was read as a request had its answer given to whom a proxy sent next on this connection."""
    framing, body = b"Content-Length: %d" % len(SMUGGLED), SMUGGLED
    if chunked:
        framing, body = b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + asked + framing + b"\r\n\r\n"
    for piece in [head, body] if apart else [head + body]:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)  # so that what was sent apart is read apart
    writer.write(GET + asked + b"\r\n" + GET + b"Connection: close\r\n\r\n")  # pipelined
    answers = (await asyncio.wait_for(reader.read(), 30)).split(b"HTTP/1.1 ")[1:]
    assert [answer[:4] + answer.partition(b"\r\n\r\n")[2] for answer in answers] == [
        b"200 %d" % len(SMUGGLED),
        b"200 0",
        b"200 0",
    ]
    writer.close()


async def test_a_tunnel_is_refused(port: int) -> None:
    for target in (b"a:80", b"http://a/b", b"/b"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"CONNECT " + target + b" HTTP/1.1\r\n" + SMUGGLED.partition(b"\r\n")[2])
        assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 400 "), target
        writer.close()


async def asking(port: int, path: bytes, more: bytes = b"") -> socket:
    """A connection whose answer has begun; the kernel takes little of it."""
    asked, loop = socket(), asyncio.get_running_loop()
    asked.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    asked.setblocking(False)
    await loop.sock_connect(asked, ("127.0.0.1", port))
    await loop.sock_sendall(asked, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n" + more + b"\r\n")
    assert await loop.sock_recv(asked, 1) == b"H"
    return asked


async def until_cut_off(server: AnnouncedServer) -> None:
    async with asyncio.timeout(60):
        while server.server_state.connections:  # noqa: ASYNC110 - uvicorn's
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("path", "more"), [(b"/large/20", b""), (b"/large/1", b""), (b"/large/1", b"Connection: close\r\n")]
)
async def test_who_does_not_take_an_answer_is_cut_off(path: bytes, more: bytes) -> None:
    """Whether it is still being written, or was and is only not all away yet."""
    async with listening(Untaken) as (server, port):
        asked = await asking(port, path, more)
        await until_cut_off(server)
        asked.close()


@pytest.mark.parametrize("then", [GET + b"\r\n", b""], ids=["asks-again", "takes-most"])
async def test_who_takes_no_rest_of_an_answer_is_cut_off(then: bytes) -> None:
    """Though they ask on, or took as much as lets us write again."""
    async with listening(Untaken) as (server, port):
        asked, loop = await asking(port, b"/large/2"), asyncio.get_running_loop()
        left = 0 if then else 2 * 65536 - 14_000  # of which the kernel holds about half
        while left > 0:
            left -= len(await loop.sock_recv(asked, left))
        await loop.sock_sendall(asked, then)
        await until_cut_off(server)
        asked.close()


async def test_who_takes_an_answer_and_asks_again_has_as_long_for_the_next() -> None:
    """What waits of it is no rest of the first, though it is as much."""
    async with listening(Untaken) as (_server, port):
        asked, loop = await asking(port, b"/large/1"), asyncio.get_running_loop()
        for _ in range(3):
            await asyncio.sleep(Untaken.take_seconds * 0.7)
            taken = b""
            while not taken.endswith(b"\r\n0\r\n\r\n"):
                piece = await loop.sock_recv(asked, 65536)
                assert piece
                taken += piece
            await loop.sock_sendall(asked, b"GET /large/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        asked.close()


async def test_who_takes_an_answer_slowly_gets_all_of_it() -> None:
    async with listening(Untaken) as (_server, port):
        asked = await asking(port, b"/large/20", b"Connection: close\r\n")
        taken, loop = 0, asyncio.get_running_loop()
        while piece := await loop.sock_recv(asked, 65536):
            taken += len(piece)
            await asyncio.sleep(len(piece) / 300_000)
        assert taken > 20 * 65536
        asked.close()
