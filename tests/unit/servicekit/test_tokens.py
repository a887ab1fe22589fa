"""Where the keys that tokens are checked with come from."""

import asyncio
import json
from contextlib import suppress

from servicekit.health import Heartbeat
from servicekit.http.tokens import RemoteKeys
from servicekit.settings import TokenSettings
from servicekit.testing.tokens import TokenMinter


async def test_a_connection_that_led_elsewhere_is_not_kept() -> None:
    """A Service's address may lead nowhere or astray until its rules are there; what answered so must not stay."""
    found, connections, told = json.dumps(TokenMinter().jwks()).encode(), 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        astray = connections == 1
        status, body = (b"404 Not Found", b"") if astray else (b"200 OK", found)
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                length = str(len(body)).encode()
                head = b"\r\nContent-Type: application/json\r\nContent-Length: " + length + b"\r\n\r\n"
                writer.write(b"HTTP/1.1 " + status + head + body)
                if not astray:
                    told.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    keys, stop = RemoteKeys(TokenSettings(jwks_url=f"http://127.0.0.1:{port}/")), asyncio.Event()
    fetching = asyncio.create_task(keys.run(stop, Heartbeat("jwks", limit=60)))
    async with asyncio.timeout(30):
        await told.wait()
    stop.set()
    await fetching
    server.close()
    assert await keys.ready() is None
