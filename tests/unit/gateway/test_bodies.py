"""The turns of large bodies, without a connection's own buffers."""

import asyncio
from contextlib import AsyncExitStack

from starlette.types import Message, Receive

from gateway.bodies import Bodies

LARGE = b"x" * 100_000
HEADERS = {b"content-length": b"200000"}
ADDRESS = "203.0.113.7"
SECONDS = 0.4


def coming(*pieces: bytes) -> Receive:
    left = list(pieces)

    async def receive() -> Message:
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    return receive


async def test_waiting_for_a_turn_is_not_the_senders_time() -> None:
    bodies = Bodies(seconds=SECONDS)
    async with AsyncExitStack() as others:
        for _ in range(8):
            await others.enter_async_context(bodies.whole(coming(LARGE), HEADERS, ADDRESS))

        async def read() -> bytes | None:
            async with bodies.whole(coming(LARGE, LARGE), HEADERS, ADDRESS) as body:
                return body

        waiting = asyncio.create_task(read())
        await asyncio.sleep(2 * SECONDS)
        assert not waiting.done()
        async with bodies.whole(coming(LARGE), HEADERS, "203.0.113.8") as body:
            assert body == LARGE
    assert await waiting == LARGE + LARGE
