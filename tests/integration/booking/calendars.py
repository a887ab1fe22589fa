"""A calendar elsewhere: a server of the test's own, and what fetches it at times of the test's own."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from booking.busy_calendars.fetching import BusyImport
from integration.booking.world import Shop, World, tomorrow_noon
from servicekit.db import Database
from servicekit.outbound import OutboundClient

HERE = {"outbound_allow_http": "true", "outbound_allowed_networks": '["127.0.0.0/8"]'}
QUARTER = timedelta(minutes=15)


@dataclass
class Server:
    """Serves one calendar; `status` and `body` are what it answers, `asked` the requests' headers.

    Who asks for `?silent` waits until it `speaks`.
    """

    url: str = ""
    status: int = 200
    body: bytes = b""
    asked: list[dict[str, str]] = field(default_factory=list)
    speaks: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        if "silent" in request.query:
            await self.speaks.wait()
        tag = f'"{hash(self.body)}"'
        if self.status == 200 and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(status=self.status, body=self.body, headers={"ETag": tag})

    def busy(self, *spans: tuple[datetime, datetime]) -> None:
        """The calendar has these events."""
        events = [
            f"BEGIN:VEVENT\r\nUID:{number}\r\nDTSTART:{start:%Y%m%dT%H%M%SZ}\r\nDTEND:{end:%Y%m%dT%H%M%SZ}\r\n"
            "END:VEVENT\r\n"
            for number, (start, end) in enumerate(spans)
        ]
        self.body = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{''.join(events)}END:VCALENDAR\r\n".encode()


@dataclass
class Importer:
    """The worker's code, with a clock of the test's own."""

    db: Database
    now: datetime
    outbound: OutboundClient

    async def turn(self, shop: Shop | None = None) -> int:
        """Fetches what is due, of that business only if one is named; answers how many calendars."""
        work = BusyImport(self.db, self.outbound, clock=lambda: self.now)
        count = 0
        while due := await work.claim():
            for calendar in due:
                if shop is None or calendar.tenant_id == shop.tenant.tenant_id:
                    await work.fetch(calendar)
                    count += 1
        return count


def path_of(shop: Shop) -> str:
    return f"/v1/busy-calendars/{shop.staff[0]}"


def put(world: World, shop: Shop, url: str) -> dict[str, Any]:
    answer = world.call("PUT", path_of(shop), shop, json={"url": url})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def seen(world: World, shop: Shop) -> dict[str, Any]:
    answer = world.call("GET", path_of(shop), shop)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def offered(world: World, shop: Shop) -> set[str]:
    """The starts of tomorrow, UTC."""
    day = f"{tomorrow_noon():%F}"
    query = {"service": str(shop.service_id), "from": day, "to": day, "timezone": "UTC"}
    answer = world.call("GET", f"/v1/public/{shop.tenant.slug}/availability", params=query)
    assert answer.status_code == 200, answer.text
    return {slot["starts_at"][11:16] for slot in answer.json()["slots"]}
