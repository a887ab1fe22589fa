"""Imported calendars are read one at a time, so that those of one business keep the process from nobody else."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import date

import pytest

from business import closures
from business.closures import Closures
from contracts.business import Holiday
from contracts.platform import TenantChanged
from integration.business.world import World
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.errors import Unavailable


class Reader:
    """In the place of business.ical.closed_days: a file is read until it is let go."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.go_on = threading.Semaphore(0)

    def __call__(self, calendar: bytes, _today: date) -> list[Holiday]:
        self.begun.append(calendar)
        assert self.go_on.acquire(timeout=60)
        return []


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    reader = Reader()
    monkeypatch.setattr(closures, "closed_days", reader)
    return reader


@pytest.fixture
async def db(world: World) -> AsyncIterator[Database]:
    db = Database(world.database.settings, application="test")
    await db.open()
    yield db
    await db.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():  # noqa: ASYNC110 - of several kinds
            await asyncio.sleep(0.01)


def waiting(lock: asyncio.Semaphore) -> int:
    return len(lock._waiters or ())


async def test_a_file_of_another_business_is_read_before_the_further_ones_of_a_busy_one(
    world: World, db: Database, reader: Reader
) -> None:
    service, busy, other = Closures(db, utc_now, read_wait=60), await world.tenant(), await world.tenant()
    imports: list[asyncio.Task[object]] = []

    def send(tenant: TenantChanged, calendar: bytes) -> None:
        imports.append(asyncio.create_task(service.import_holidays(tenant.tenant_id, calendar)))

    send(busy, b"first")
    await until(lambda: reader.begun == [b"first"])
    for calendar in (b"second", b"third"):
        send(busy, calendar)
    await until(lambda: waiting(service._reading.by_owner[busy.tenant_id]) == 2)
    send(other, b"another's")
    await until(lambda: waiting(service._reading.all) == 1)
    assert reader.begun == [b"first"]
    reader.go_on.release(4)
    await asyncio.gather(*imports)
    assert reader.begun[1] == b"another's"
    assert len(reader.begun) == 4
    assert not service._reading.by_owner


async def test_a_file_that_has_waited_for_too_long_is_to_be_sent_again(
    world: World, db: Database, reader: Reader
) -> None:
    service, busy, other = Closures(db, utc_now, read_wait=0), await world.tenant(), await world.tenant()
    first = asyncio.create_task(service.import_holidays(busy.tenant_id, b"first"))
    await until(lambda: reader.begun == [b"first"])
    for tenant in (busy, other):
        with pytest.raises(Unavailable) as refused:
            await service.import_holidays(tenant.tenant_id, b"further")
        assert refused.value.headers == {"Retry-After": "10"}
    reader.go_on.release()
    await first
    assert reader.begun == [b"first"]
