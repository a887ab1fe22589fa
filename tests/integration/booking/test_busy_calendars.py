"""Busy times from a staff member's other calendar: fetched over HTTP from a server here, kept, and in nobody's way.

The worker's code runs in the test, at times of the test's own; that the process calls it, the last test shows.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from psycopg.types.range import Range

from booking import busy_import
from booking.busy_import import AT_ONCE, MAX_BYTES, BusyImport, read_apart
from booking.workers import BusyCalendarFetcher
from integration.booking import waiting
from integration.booking.world import Shop, World, made_world, tomorrow_noon, wish, works_all_day
from servicekit.db import Database
from servicekit.health import Heartbeat
from servicekit.outbound import OutboundClient, OutboundSettings
from support.broker import Broker
from support.databases import Databases
from support.events import until

HERE = {"outbound_allow_http": "true", "outbound_allowed_networks": '["127.0.0.0/8"]'}
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """booking in its role `serve`, allowed to be told of addresses on this machine."""
    with made_world(databases, "serve", tmp_path_factory.mktemp("booking"), **HERE) as made:
        yield made


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


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_get("/ada.ics", made.serve)
    async with TestServer(app, host="127.0.0.1") as running:
        made.url = str(running.make_url("/ada.ics"))
        yield made


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


@pytest.fixture
async def importer(world: World) -> AsyncIterator[Importer]:
    allowed = OutboundSettings(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"),))
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        yield Importer(
            db, datetime.now(UTC) + timedelta(minutes=5), OutboundClient(allowed, user_agent="Tests")
        )
    finally:
        await db.close()


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


async def test_a_busy_time_is_neither_offered_nor_booked(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    before = offered(world, shop)
    made = put(world, shop, server.url)
    assert (made["url"], made["last_fetch_at"], made["fault"], made["busy_times"]) == (
        server.url,
        None,
        None,
        0,
    )
    server.busy(
        (noon, noon + timedelta(hours=1)), (noon + timedelta(minutes=30), noon + timedelta(minutes=90))
    )
    assert await importer.turn(shop) == 1
    now = seen(world, shop)
    assert (now["busy_times"], now["fault"], now["failing_since"]) == (1, None, None)
    assert now["last_fetch_at"] == now["last_success_at"] is not None
    assert before - offered(world, shop) == {"11:45", "12:00", "12:15", "12:30", "12:45", "13:00", "13:15"}

    slot = {"service_id": str(shop.service_id), "starts_at": noon.isoformat()}
    refusals = [
        world.post(shop, wish(shop, noon)),
        world.call("POST", "/v1/appointments", shop, json=wish(shop, noon)),
        world.call("POST", f"/v1/public/{shop.tenant.slug}/holds", json=slot),
    ]
    later = world.post(shop, wish(shop, noon + timedelta(hours=2))).json()["id"]
    moved = {"starts_at": noon.isoformat()}
    refusals.append(
        world.call("PATCH", f"/v1/appointments/{later}", shop, json=moved, headers={"If-Match": "*"})
    )
    for refused in refusals:
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/slot-taken"), refused.text

    server.busy()
    importer.now += QUARTER
    await importer.turn(shop)
    assert world.post(shop, wish(shop, noon)).status_code == 201


async def test_one_who_is_busy_elsewhere_is_passed_over(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop(staff=2)
    noon = tomorrow_noon()
    put(world, shop, server.url)
    server.busy((noon, noon + timedelta(hours=1)))
    await importer.turn(shop)
    booked = world.post(shop, wish(shop, noon))
    assert booked.json()["staff_ids"] == [str(shop.staff[1])]
    assert world.post(shop, wish(shop, noon)).status_code == 409


async def test_what_stands_already_is_not_touched(world: World, server: Server, importer: Importer) -> None:
    """An appointment that overlaps a busy time can be confirmed, noted, cancelled, and moved away."""
    shop = await world.shop()
    noon = tomorrow_noon()
    booked = world.post(shop, wish(shop, noon)).json()["id"]
    put(world, shop, server.url)
    server.busy((noon - timedelta(hours=1), noon + timedelta(hours=1)))
    await importer.turn(shop)
    path = f"/v1/appointments/{booked}"
    assert world.call("GET", path, shop).json()["status"] == "confirmed"
    away = {"starts_at": (noon + timedelta(hours=4)).isoformat()}
    assert world.call("PATCH", path, shop, json=away, headers={"If-Match": "*"}).status_code == 200


async def test_our_own_feed_does_not_block_its_own_appointments(
    world: World, server: Server, importer: Importer
) -> None:
    """Its event would keep the time when the appointment is moved or cancelled. Another business's blocks."""
    shop, elsewhere = await world.shop(), await world.shop()
    noon = tomorrow_noon()
    booked = world.post(shop, wish(shop, noon)).json()["id"]
    other = world.post(elsewhere, wish(elsewhere, noon + timedelta(hours=3))).json()["id"]
    events = ""
    for appointment, start in ((booked, noon), (other, noon + timedelta(hours=3))):
        events += (
            f"BEGIN:VEVENT\r\nUID:{appointment}@slotwright\r\nDTSTART:{start:%Y%m%dT%H%M%SZ}\r\n"
            "DURATION:PT30M\r\nEND:VEVENT\r\n"
        )
    server.body = f"BEGIN:VCALENDAR\r\n{events}END:VCALENDAR\r\n".encode()
    put(world, shop, server.url)
    await importer.turn(shop)
    assert seen(world, shop)["busy_times"] == 1
    world.call("POST", f"/v1/appointments/{booked}/cancel", shop)
    assert world.post(shop, wish(shop, noon)).status_code == 201
    assert world.post(shop, wish(shop, noon + timedelta(hours=3))).status_code == 409


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (500, b"", "answers with status 500"),
        (404, b"", "answers with status 404"),
        (200, b"<html>Sign in</html>", "is not an iCalendar file"),
        (200, b"x" * (MAX_BYTES + 1), "answers with more than 2048 KiB"),
    ],
)
async def test_a_calendar_that_fails_keeps_what_it_said_and_says_since_when(
    world: World, server: Server, importer: Importer, status: int, body: bytes, fault: str
) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    put(world, shop, server.url)
    server.busy((noon, noon + timedelta(hours=1)))
    await importer.turn(shop)
    good = seen(world, shop)
    server.status, server.body = status, body
    failed = []
    for _ in range(2):
        importer.now += QUARTER
        await importer.turn(shop)
        failed.append(seen(world, shop))
    assert [item["fault"] for item in failed] == [fault, fault]
    assert [item["busy_times"] for item in failed] == [1, 1]
    assert failed[0]["failing_since"] == failed[1]["failing_since"] == failed[0]["last_fetch_at"]
    assert failed[1]["last_success_at"] == good["last_success_at"]
    assert world.post(shop, wish(shop, noon)).status_code == 409
    server.status = 200
    server.busy()
    importer.now += QUARTER
    await importer.turn(shop)
    mended = seen(world, shop)
    assert (mended["fault"], mended["failing_since"], mended["busy_times"]) == (None, None, 0)


@pytest.mark.parametrize("name", ["ETag", "Last-Modified"])
async def test_a_tag_that_is_no_text_is_not_kept(world: World, importer: Importer, name: str) -> None:
    """A byte beyond ASCII is legal there, and none that the database takes: it must not end the process."""
    body = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        tag = name.encode() + b': "caf\xe9"'
        writer.write(b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (tag, len(body), body))
        await writer.drain()
        writer.close()

    shop = await world.shop()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        put(world, shop, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await importer.turn(shop)
    now = seen(world, shop)
    assert (now["fault"], now["last_success_at"]) == (None, now["last_fetch_at"])


async def test_a_fault_of_ours_is_that_calendars_alone(
    world: World, server: Server, importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/nowhere/python")
        await importer.turn(shop)
    broken = seen(world, shop)
    assert (broken["fault"], broken["last_success_at"]) == (
        "could not be taken over, by a fault of ours",
        None,
    )
    importer.now += QUARTER
    await importer.turn(shop)
    assert (seen(world, shop)["fault"], seen(world, shop)["busy_times"]) == (None, 1)


async def test_calendars_are_read_one_at_a_time(
    world: World, server: Server, importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reader may take so much memory that a pod has it once."""
    shop = await world.shop(staff=3)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    for staff_id in shop.staff:
        world.call("PUT", f"/v1/busy-calendars/{staff_id}", shop, json={"url": server.url})
    running: list[int] = []
    most = 0

    async def counted(*asked: Any) -> Any:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        try:
            return await read_apart(*asked)
        finally:
            running.pop()

    monkeypatch.setattr(busy_import, "read_apart", counted)
    work = BusyImport(importer.db, importer.outbound, clock=lambda: importer.now)
    due = []
    while claimed := await work.claim():
        due += [item for item in claimed if item.tenant_id == shop.tenant.tenant_id]
    await asyncio.gather(*map(work.fetch, due))
    assert (len(due), most) == (3, 1)


async def test_what_has_not_changed_is_not_sent_again_until_the_next_day(
    world: World, server: Server, importer: Importer
) -> None:
    """A day later it is fetched whole: what repeats has to be followed further."""
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    await importer.turn(shop)
    assert await importer.turn(shop) == 0
    importer.now += QUARTER
    assert await importer.turn(shop) == 1
    unchanged = seen(world, shop)
    assert (unchanged["busy_times"], unchanged["fault"]) == (1, None)
    assert datetime.fromisoformat(unchanged["last_success_at"]) == importer.now
    importer.now += timedelta(days=1)
    await importer.turn(shop)
    assert [("If-None-Match" in headers) for headers in server.asked] == [False, True, False]


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.7"], ["1.1.1.1", "::1"]])
async def test_a_name_that_leads_inside_is_never_called(
    world: World, server: Server, importer: Importer, answer: list[str]
) -> None:
    """With the settings of production; the fault is there to be seen, and no request was made."""
    shop = await world.shop()
    put(world, shop, server.url.replace("127.0.0.1", "calendar.example").replace("http:", "https:"))

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return answer

    importer.outbound = OutboundClient(OutboundSettings(), user_agent="Tests", resolve=resolve)
    assert await importer.turn(shop) == 1
    assert seen(world, shop)["fault"] == "must lead to a public address"
    assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://calendar.example/a.ics",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a.ics",
        "https://me:secret@calendar.example/a.ics",
        "https:///a.ics",
        "calendar",
        "",
    ],
)
async def test_an_address_that_could_only_be_refused_is_not_taken(world: World, url: str) -> None:
    shop = await world.shop()
    answer = world.call("PUT", path_of(shop), shop, json={"url": url})
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/url"]
    assert world.call("GET", path_of(shop), shop).status_code == 404


async def test_another_address_forgets_the_first_ones_times_and_the_same_one_does_not(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    await importer.turn(shop)
    assert put(world, shop, server.url)["busy_times"] == 1
    assert put(world, shop, f"{server.url}?other")["busy_times"] == 0
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201
    told = world.call("GET", "/v1/audit", shop, params={"entity": str(shop.staff[0])}).json()["items"]
    assert [entry["action"] for entry in told] == ["busy-calendar.set"] * 2
    assert server.url not in str(told)


async def test_a_calendar_that_is_fetched_while_it_is_replaced_counts_for_nothing(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    work = BusyImport(importer.db, importer.outbound, clock=lambda: importer.now)
    due = [item for item in await work.claim() if item.tenant_id == shop.tenant.tenant_id]
    put(world, shop, f"{server.url}?other")
    await work.fetch(*due)
    now = seen(world, shop)
    assert (now["busy_times"], now["last_fetch_at"]) == (0, None)


async def test_a_withdrawn_calendar_gives_its_times_back(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    await importer.turn(shop)
    assert world.call("DELETE", path_of(shop), shop).status_code == 204
    assert world.call("GET", path_of(shop), shop).status_code == 404
    assert world.call("DELETE", path_of(shop), shop).status_code == 404
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 201
    importer.now += QUARTER
    assert await importer.turn(shop) == 0


async def test_who_is_gone_has_no_calendar_fetched(world: World, server: Server, importer: Importer) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    await importer.turn(shop)
    gone = works_all_day(shop.tenant.tenant_id, shop.staff[0]).model_copy(
        update={"version": 2, "deleted": True}
    )
    await world.tell(shop, gone)
    importer.now += QUARTER
    assert await importer.turn(shop) == 1
    assert len(server.asked) == 1
    importer.now += QUARTER
    assert await importer.turn(shop) == 0
    assert world.call("GET", path_of(shop), shop).status_code == 404
    assert world.rows("SELECT 1 FROM external_busy WHERE tenant_id = %s", shop.tenant.tenant_id) == []


async def test_what_a_calendar_gives_back_is_offered_to_who_waits(
    world: World, server: Server, importer: Importer
) -> None:
    """By an event that is gone, by another address, by the calendar's withdrawal."""
    noon = tomorrow_noon()
    hour = (noon, noon + timedelta(hours=1))
    for gives_back in ("gone", "readdressed", "withdrawn"):
        shop = await world.shop()
        put(world, shop, server.url)
        server.busy(hour)
        importer.now += QUARTER
        await importer.turn(shop)
        entry = waiting.join(world, shop)
        await world.turn()
        assert waiting.seen(world, entry)["state"] == "waiting"
        if gives_back == "gone":
            server.busy()
            importer.now += QUARTER
            await importer.turn(shop)
        elif gives_back == "readdressed":
            put(world, shop, f"{server.url}?other")
        else:
            world.call("DELETE", path_of(shop), shop)
        await world.turn()
        assert waiting.seen(world, entry)["state"] == "offered", gives_back


async def test_who_waits_hears_only_of_what_has_become_free(
    world: World, server: Server, importer: Importer
) -> None:
    """A calendar that comes anew each time (it has no tag) does not have the whole line looked at each time."""
    shop = await world.shop()
    put(world, shop, server.url)
    noon = tomorrow_noon()
    first, second = ((noon + timedelta(days=day), noon + timedelta(days=day, hours=1)) for day in (0, 1))
    server.busy(first, second)
    await importer.turn(shop)
    waiting.join(world, shop)
    heard = "SELECT during FROM freed_time WHERE tenant_id = %s"
    kept = "SELECT busy_id FROM external_busy WHERE tenant_id = %s ORDER BY begins_at"
    before = world.rows(kept, shop.tenant.tenant_id)
    server.body += b"\r\n"
    importer.now += QUARTER
    await importer.turn(shop)
    assert len(server.asked) == 2
    assert world.rows(kept, shop.tenant.tenant_id) == before
    assert world.rows(heard, shop.tenant.tenant_id) == []
    later = (second[0] + timedelta(days=1), second[1] + timedelta(days=1))
    server.busy(first, later)
    importer.now += QUARTER
    await importer.turn(shop)
    after = world.rows(kept, shop.tenant.tenant_id)
    assert (after[0], len(after)) == (before[0], 2)
    assert [row["during"] for row in world.rows(heard, shop.tenant.tenant_id)] == [Range(*second)]


async def test_a_calendar_is_the_owners_and_the_businesss_own(
    world: World, server: Server, importer: Importer
) -> None:
    ours, theirs = await world.shop(), await world.shop()
    put(world, theirs, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    await importer.turn(theirs)
    for method in ("PUT", "GET", "DELETE"):
        body = {"url": server.url} if method == "PUT" else None
        assert world.call(method, path_of(theirs), ours, json=body).status_code == 404
        assert world.call(method, path_of(theirs), theirs, role="staff", json=body).status_code == 403
        assert world.call(method, path_of(theirs), json=body).status_code == 401
    assert seen(world, theirs)["busy_times"] == 1
    assert world.post(ours, wish(ours, tomorrow_noon())).status_code == 201


async def test_one_that_fails_is_fetched_less_and_less_often(
    world: World, server: Server, importer: Importer
) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    server.status = 500
    asked = []
    for quarter in range(1, 82):
        if quarter == 65:
            server.status = 200
        if await importer.turn(shop):
            asked.append(quarter)
        importer.now += QUARTER
    assert asked[:9] == [1, 2, 3, 5, 9, 17, 33, 49, 65]
    assert asked[9:] == list(range(66, 82))
    assert seen(world, shop)["fault"] is None


async def test_those_that_do_not_answer_keep_no_other_waiting(
    world: World, server: Server, importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy_import, "_FETCH_SECONDS", 600)
    silent, quick = await world.shop(staff=AT_ONCE - 1), await world.shop(staff=4)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    for shop, address in ((silent, f"{server.url}?silent"), (quick, server.url)):
        for staff_id in shop.staff:
            world.call("PUT", f"/v1/busy-calendars/{staff_id}", shop, json={"url": address})
    fetched = "SELECT 1 FROM busy_calendar WHERE tenant_id = %s AND last_fetch_at IS NOT NULL"

    def quick_are_fetched() -> bool:
        return len(world.rows(fetched, quick.tenant.tenant_id)) == len(quick.staff)

    loop = BusyCalendarFetcher(BusyImport(importer.db, importer.outbound))
    stop = asyncio.Event()
    running = asyncio.create_task(loop.run(stop, Heartbeat(loop.name, limit=60)))
    try:
        await asyncio.to_thread(until, quick_are_fetched, "the quick ones are fetched")
        assert world.rows(fetched, silent.tenant.tenant_id) == []
    finally:
        stop.set()
        server.speaks.set()
        await running
    assert len(world.rows(fetched, silent.tenant.tenant_id)) == len(silent.staff)


async def test_two_processes_do_not_fetch_the_same_calendar(world: World, importer: Importer) -> None:
    shops = [await world.shop() for _ in range(3)]
    for shop in shops:
        put(world, shop, "https://calendar.invalid/a.ics")
    work = [BusyImport(importer.db, importer.outbound, clock=lambda: importer.now) for _ in range(2)]
    ours = {shop.tenant.tenant_id for shop in shops}
    claimed = [
        item.tenant_id for each in (*work, *work) for item in await each.claim() if item.tenant_id in ours
    ]
    assert sorted(claimed) == sorted(ours)


@pytest.mark.slow
async def test_the_process_fetches_by_itself(
    databases: Databases, broker: Broker, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Slow: the process starts with all its consumers, and looks for calendars every five seconds."""
    folder = tmp_path_factory.mktemp("booking")
    with made_world(databases, "all", folder, **HERE, **broker.service_env("booking")) as everything:
        shop = await everything.shop()
        server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
        put(everything, shop, server.url)
        fetched = partial(seen, everything, shop)
        # In a thread, as the calendar's server runs here.
        await asyncio.to_thread(until, lambda: fetched()["last_fetch_at"], "the calendar is fetched")
        assert seen(everything, shop)["busy_times"] == 1
        assert server.url not in next(folder.glob("booking-*.log")).read_text("utf-8")
