"""Staff members' other calendars, fetched over HTTP from a server here: what fails, what is kept, when again.

The worker's code runs in the test, at times of the test's own; that the process calls it, the last test shows.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from booking.busy_calendars import fetching
from booking.busy_calendars.fetching import AT_ONCE, MAX_BYTES, BusyImport, read_apart
from booking.busy_calendars.workers import BusyCalendarFetcher
from integration.booking.calendars import HERE, QUARTER, Importer, Server, path_of, put, seen
from integration.booking.world import World, made_world, tomorrow_noon, wish, works_all_day
from servicekit.health import Heartbeat
from servicekit.outbound import OutboundClient, OutboundSettings
from support.broker import Broker
from support.databases import Databases
from support.events import until

WORLD_ENV = HERE


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

    monkeypatch.setattr(fetching, "read_apart", counted)
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


@pytest.mark.parametrize("comes_of_it", ["its times", "nothing new", "a fault"])
async def test_a_calendar_that_is_fetched_while_it_is_replaced_counts_for_nothing(
    world: World, server: Server, importer: Importer, comes_of_it: str
) -> None:
    shop = await world.shop()
    put(world, shop, server.url)
    server.busy((tomorrow_noon(), tomorrow_noon() + timedelta(hours=1)))
    if comes_of_it == "nothing new":
        await importer.turn(shop)
        importer.now += QUARTER
    elif comes_of_it == "a fault":
        server.status = 500
    work = BusyImport(importer.db, importer.outbound, clock=lambda: importer.now)
    due = [item for item in await work.claim() if item.tenant_id == shop.tenant.tenant_id]
    put(world, shop, f"{server.url}?other")
    await work.fetch(*due)
    now = seen(world, shop)
    assert (now["busy_times"], now["last_fetch_at"], now["fault"]) == (0, None, None)


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
    monkeypatch.setattr(fetching, "_FETCH_SECONDS", 600)
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
