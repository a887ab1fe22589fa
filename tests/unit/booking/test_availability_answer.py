"""What a look at free times is answered, be they few or one a minute for two months. The app runs in the test."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from booking.routes import public
from booking.routes.public import AvailabilityAnswer, SlotAnswer
from booking.service import Availability
from booking.slots.availability import Slot
from servicekit.health import Health
from servicekit.http.app import create_app
from servicekit.ids import new_id
from servicekit.settings import Settings

SERVICE, STAFF = new_id(), (new_id(), new_id())
BEGIN, LAST = datetime(2027, 3, 1, 9, tzinfo=UTC), date(2027, 4, 30)


def free(count: int) -> list[Slot]:
    """One a minute; with one or two who can be asked for."""
    starts = [BEGIN + timedelta(minutes=number) for number in range(count)]
    return [Slot(start, start + timedelta(minutes=30), STAFF[: 1 + start.minute % 2]) for start in starts]


@asynccontextmanager
async def client_of(slots: list[Slot]) -> AsyncIterator[httpx.AsyncClient]:
    """Of a business where these are free."""

    async def availability(*_asked: Any) -> Availability:
        return Availability("Europe/Lisbon", LAST, slots)

    wired = SimpleNamespace(booking=SimpleNamespace(availability=availability))
    app = create_app("booking", Settings(), Health(), routers=[public.router], service=wired)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://booking") as client:
        yield client


async def asked(client: httpx.AsyncClient) -> httpx.Response:
    query = {"service": str(SERVICE), "from": "2027-03-01", "to": "2027-05-01"}
    return await client.get("/v1/public/riverside/availability", params=query)


@pytest.mark.parametrize("count", [0, 1, 1000, 1001, 2500])
async def test_the_answer_is_what_its_model_says(count: int) -> None:
    slots = free(count)
    async with client_of(slots) as client:
        answer = await asked(client)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    told = [
        SlotAnswer(starts_at=slot.starts_at, ends_at=slot.ends_at, staff_ids=list(slot.resource_ids))
        for slot in slots
    ]
    model = AvailabilityAnswer(service_id=SERVICE, timezone="Europe/Lisbon", to=LAST, slots=told)
    assert answer.text == model.model_dump_json()


async def test_while_very_many_times_are_written_others_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, listed = threading.Event(), threading.Event(), public._listed

    def held_up(slots: list[Slot]) -> bytes:
        begun.set()
        assert go_on.wait(60)
        return listed(slots)

    monkeypatch.setattr(public, "_listed", held_up)
    async with client_of(free(1001)) as client:
        long = asyncio.create_task(asked(client))
        assert await asyncio.to_thread(begun.wait, 60)
        assert (await client.get("/healthz")).status_code == 200
        go_on.set()
        assert len((await long).json()["slots"]) == 1001
