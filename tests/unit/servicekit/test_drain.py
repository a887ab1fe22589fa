"""How long a process that is told to stop goes on for those who ask, by a clock of the test's own."""

import asyncio
import signal

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Message

from servicekit.http.drain import CloseWhenDraining, DrainingServer


class Hand:
    """The loop's clock, which moves when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.at)

    async def move(self, seconds: float) -> None:
        """What is due by then is done."""
        self.at += seconds
        for _ in range(3):
            await asyncio.sleep(0)


async def ask(server: DrainingServer, path: str) -> None:
    """A client's request, as uvicorn hands it on."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(_message: Message) -> None:
        """Nobody listens."""

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    await CloseWhenDraining(PlainTextResponse("Hello"), server)(scope, receive, send)


@pytest.mark.parametrize(("path", "stays"), [("/no-such-page", 4), ("/healthz", 1)])
async def test_it_stays_as_long_as_clients_come_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, path: str, stays: float
) -> None:
    """A load balancer may hear late that it goes; who only looks after it keeps it not."""
    hand = Hand(monkeypatch)
    server = DrainingServer(uvicorn.Config(PlainTextResponse("Hello")), seconds=1)
    server.handle_exit(signal.SIGTERM, None)
    await hand.move(0)
    while not server.should_exit and hand.at < 10:
        await ask(server, path)
        await hand.move(0.25)
    assert hand.at == stays


async def test_who_has_come_once_more_is_waited_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(monkeypatch)
    server = DrainingServer(uvicorn.Config(PlainTextResponse("Hello")), seconds=1)
    server.handle_exit(signal.SIGTERM, None)
    await hand.move(0.5)
    await ask(server, "/no-such-page")
    while not server.should_exit and hand.at < 10:
        await hand.move(0.25)
    assert hand.at == 1.5
