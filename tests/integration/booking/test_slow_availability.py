"""A search for free times that takes long keeps nobody else from anything meanwhile."""

import asyncio
import threading
from typing import Any

import pytest
from pydantic import SecretStr

from booking import allocations
from booking.holds import HoldCap
from booking.service import Availability, BookingService
from booking.waitlist.line import EntryCap
from booking.waitlist.service import WaitlistService
from integration.booking.world import OFFER_SECONDS, World, tomorrow_noon
from servicekit.db import Database
from servicekit.links import AppointmentLinks, WaitlistLinks

KEY = SecretStr("k" * 40)
PATIENCE = 60


def booking_on(db: Database) -> BookingService:
    links, url = AppointmentLinks(KEY), "http://127.0.0.1:8080"
    waitlist = WaitlistService(
        db,
        links=WaitlistLinks(KEY),
        appointments=links,
        public_url=url,
        offer_seconds=OFFER_SECONDS,
        cap=EntryCap(KEY, most=10),
    )
    cap = HoldCap(KEY, most=10)
    return BookingService(db, links=links, public_url=url, hold_seconds=300, hold_cap=cap, waitlist=waitlist)


async def test_a_search_that_takes_long_keeps_no_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of them, by anybody, would leave no connection to all other businesses' bookings."""
    shop = await world.shop()
    begun, ends = threading.Event(), threading.Event()

    def sweep(*_asked: Any, **_named: Any) -> list[Any]:
        begun.set()
        assert ends.wait(PATIENCE)
        return []

    monkeypatch.setattr(allocations, "slots", sweep)
    monkeypatch.setattr(allocations, "_MANY", 0)
    only_one = world.database.settings.model_copy(update={"database_pool_size": 1})
    db = Database(only_one, application="test")
    await db.open()
    try:
        day = tomorrow_noon().date()
        search = booking_on(db).availability(shop.tenant.slug, shop.service_id, None, day, day, None)
        searching = asyncio.create_task(search)
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        async with db.tenant(shop.tenant.tenant_id):
            assert not searching.done()
        ends.set()
        assert await searching == Availability("Europe/Lisbon", day, [])
    finally:
        ends.set()
        await db.close()
