"""Names whose servers say nothing, as whoever types in an address may choose one, keep nobody else waiting."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from servicekit.outbound import OutboundClient, OutboundFailed, OutboundSettings, SystemResolver

_MANY = 40
"""More than the loop's own threads, on any machine that runs these."""


class SilentServers:
    """The system's resolver, but that a name beginning with `silent` has no answer until `answer` is set."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked: list[str] = []
        self._real = socket.getaddrinfo

    def __call__(self, host: Any, *arguments: Any, **named: Any) -> Any:
        if str(host).startswith("silent"):
            self.asked.append(host)
            self.answer.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return self._real(host, *arguments, **named)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentServers]:
    made = SilentServers()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.answer.set()


async def test_names_that_nobody_answers_for_keep_no_other_lookup_waiting(servers: SilentServers) -> None:
    client = OutboundClient(OutboundSettings(), user_agent="Tests")

    async def call(number: int) -> str:
        with pytest.raises(OutboundFailed) as failed:
            await client.request("POST", f"https://silent{number}.example/", seconds=0.5, max_bytes=10)
        return str(failed.value)

    ended = await asyncio.gather(*(call(number) for number in range(_MANY)))
    assert set(ended) == {"did not answer within 0.5 s"}
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        assert await loop.getaddrinfo("localhost", 25)
        assert await SystemResolver()("127.0.0.1", 443) == ["127.0.0.1"]


async def test_a_lookup_that_was_given_up_keeps_its_room_until_it_ends(servers: SilentServers) -> None:
    """Or names that are asked for again and again would have ever more threads."""
    resolve = SystemResolver(at_once=1)
    for name in ("silent1.example", "silent2.example"):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resolve(name, 443), 0.2)
    assert servers.asked == ["silent1.example"]
    servers.answer.set()
    assert await resolve("127.0.0.1", 443) == ["127.0.0.1"]
    with pytest.raises(OSError, match="no answer"):
        await resolve("silent3.example", 443)
    with pytest.raises(ValueError, match="label"):
        await resolve(f"{'a' * 70}.example", 443)
