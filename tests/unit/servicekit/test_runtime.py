"""How a service's process ends: a wrong setting, a loop that dies, a port that is taken. Each says why."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import uvicorn

from devstack.processes import free_port
from servicekit.health import Health, Heartbeat
from servicekit.runtime import LoopGroup, Parts, Service, run
from servicekit.settings import Settings
from support.logs import logs_kept_apart


class Dies:
    """A loop that turns once."""

    name = "shop.follower"

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def run(self, _stop: asyncio.Event, _beat: Heartbeat) -> None:
        await asyncio.sleep(0)
        if self._error is not None:
            raise self._error


def shop(*loops: Dies) -> Service:
    return Service("shop", Settings, lambda _settings: Parts(loops=loops))


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with logs_kept_apart():
        yield


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (RuntimeError("the topic is gone"), "a loop died, stopping the process"),
        (None, "a loop ended early, stopping the process"),
    ],
)
def test_a_loop_that_ends_takes_the_process_with_it_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception | None, event: str
) -> None:
    monkeypatch.setenv("SLOTWRIGHT_PORT", str(free_port()))
    assert run(shop(Dies(error)), "all") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (said,) = [line for line in lines if line["event"] == event]
    assert said["loop"] == "shop.follower"
    assert error is None or "the topic is gone" in json.dumps(said["exception"])


def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLOTWRIGHT_PORT", "eighty")
    monkeypatch.setenv("SLOTWRIGHT_LOG_LEVEL", "loud")
    assert run(shop(), "all") == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("shop: setting SLOTWRIGHT_PORT: ")
    assert said[1].startswith("shop: setting SLOTWRIGHT_LOG_LEVEL: ")


def test_a_port_that_is_taken_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("SLOTWRIGHT_PORT", str(port))
        with pytest.raises(SystemExit) as ended:
            run(shop(), "all")
    assert ended.value.code
    assert f"('127.0.0.1', {port}): address already in use" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "others"),
    [
        ("runtime", {"sqlalchemy", "alembic"}),
        ("migrate", {"fastapi", "uvicorn", "aiohttp", "confluent_kafka"}),
    ],
)
def test_a_role_loads_nothing_that_only_others_need(module: str, others: set[str]) -> None:
    """Imports are most of a start. Nine services start on one laptop, each after waiting for its schema."""
    code = f"import sys, servicekit.commands, servicekit.{module}; print(*{others} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == ""


class Late:
    """A loop that does not stop when told to, and has something to put away when it is cancelled."""

    name = "shop.relay"
    put_away = False

    async def run(self, _stop: asyncio.Event, _beat: Heartbeat) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(str)
            self.put_away = True


async def test_a_loop_that_is_cancelled_has_put_away_what_it_holds_before_the_process_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database is closed next, and the loop that runs this with it."""
    monkeypatch.setattr("servicekit.runtime._GRACE_SECONDS", 0.1)
    late = Late()
    server = uvicorn.Server(uvicorn.Config(lambda: None))
    async with LoopGroup([late], Health()).running(server):
        await asyncio.sleep(0)
    assert late.put_away
