"""Files for the business's owners: passed on as they come, and cut where they were cut.

How a cut looks is a matter of sockets: those tests have web behind a real server.
"""

import asyncio
import datetime as dt
import re
import time
from collections.abc import AsyncIterator
from dataclasses import asdict

import httpx
import pytest
import uvicorn
from aiohttp import web as aio

from servicekit.http.protocol import BoundedProtocol
from support import web_samples as samples
from support.announced import AnnouncedServer
from support.web_site import KEY, Browser, Call, Script, site
from unit.web.conftest import sign_in
from web import times
from web.cookies import CookieBox
from web.sessions import COOKIE, session_from

CUSTOMERS = "/dashboard/customers/export.csv"
APPOINTMENTS = "/dashboard/appointments/export.csv"
ASKED = {page: f"GET /v1{page.removeprefix('/dashboard')}" for page in (CUSTOMERS, APPOINTMENTS)}
HEAD = {
    "Content-Type": "text/csv; charset=utf-8; header=present",
    "Content-Disposition": 'attachment; filename="customers.csv"',
}
FILE = "id,name\r\n1,Lin Çhen\r\n".encode()


async def whole(request: aio.Request) -> aio.StreamResponse:
    return aio.Response(body=FILE, headers=HEAD)


@pytest.fixture(autouse=True)
def files(gateway: Script, signed_in: None) -> None:
    gateway.files |= dict.fromkeys(ASKED.values(), whole)
    gateway.on("GET /v1/customers", samples.page())


async def test_a_file_comes_as_it_is_with_its_type_and_name(gateway: Script, browser: Browser) -> None:
    assert f'href="{CUSTOMERS}"' in (await browser.get("/dashboard/customers")).text
    answer = await browser.get(CUSTOMERS)
    assert (answer.status_code, answer.content) == (200, FILE)
    assert {name: answer.headers[name] for name in HEAD} == HEAD
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (asked,) = gateway.asked(ASKED[CUSTOMERS])
    assert (asked.headers["authorization"], asked.query) == ("Bearer access-1", {})


async def test_appointments_of_whole_days_where_the_business_is(gateway: Script, browser: Browser) -> None:
    answer = await browser.get(f"{APPOINTMENTS}?first=2030-03-30&last=2030-03-31")
    assert answer.content == FILE
    (asked,) = gateway.asked(ASKED[APPOINTMENTS])
    assert asked.query == {"from": "2030-03-30T00:00:00+00:00", "to": "2030-03-31T23:00:00+00:00"}


def filled(page: str, name: str) -> str:
    """What stands in the field of this name."""
    found = re.search(rf'<input id="{name}" name="{name}" type="date"\s+value="([^"]*)"', page)
    assert found, page
    return found[1]


async def test_the_form_begins_with_this_month(browser: Browser) -> None:
    today = times.today(samples.ZONE)
    page = (await browser.get("/dashboard/appointments")).text
    assert f'action="{APPOINTMENTS}#file"' in page
    first, last = (dt.date.fromisoformat(filled(page, name)) for name in ("first", "last"))
    assert first == today.replace(day=1)
    assert (last + dt.timedelta(days=1)).day == 1
    assert (last.year, last.month) == (today.year, today.month)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2030-03-02", "2030-03-01", 'id="last-fault">This must not lie before the first day.'),
        ("", "2030-03-01", 'id="first-fault">This must be a date.'),
        ("2030-03-01", "&lt;soon", 'id="last-fault">This must be a date.'),
    ],
)
async def test_days_that_are_none_are_said_at_their_field(
    gateway: Script, browser: Browser, first: str, last: str, words: str
) -> None:
    params = {"first": first, "last": last.replace("&lt;", "<")}
    answer = await browser.get(APPOINTMENTS, params=params)
    assert answer.status_code == 422
    assert words in answer.text
    assert [filled(answer.text, name) for name in ("first", "last")] == [first, last]
    assert '<a href="/dashboard/appointments" aria-current="page">' in answer.text
    assert gateway.asked(ASKED[APPOINTMENTS]) == []


def refuse(gateway: Script, page: str, status: int, detail: str, pointer: str = "") -> None:
    del gateway.files[ASKED[page]]
    errors = [{"pointer": pointer, "detail": detail}] if pointer else []
    slug = {403: "forbidden"}.get(status, "x")
    body = {"type": f"/problems/{slug}", "title": "No", "detail": detail, "errors": errors}
    gateway.on(ASKED[page], body, status)


async def test_days_that_the_api_does_not_take_are_said_at_their_field(
    gateway: Script, browser: Browser
) -> None:
    refuse(gateway, APPOINTMENTS, 422, "must lie in the years 2000 to 2099", "?to")
    answer = await browser.get(f"{APPOINTMENTS}?first=2030-03-01&last=2130-03-01")
    assert answer.status_code == 422
    assert 'id="last-fault">This must lie in the years 2000 to 2099.' in answer.text


@pytest.mark.parametrize("page", [CUSTOMERS, f"{APPOINTMENTS}?first=2030-03-01&last=2030-03-01"])
async def test_what_is_refused_is_a_page(gateway: Script, browser: Browser, page: str) -> None:
    refuse(gateway, page.partition("?")[0], 403, "This needs owner.")
    answer = await browser.get(page)
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "This is not for you" in answer.text


@pytest.mark.parametrize("page", [CUSTOMERS, f"{APPOINTMENTS}?first=2030-03-01&last=2030-03-01"])
async def test_who_has_to_wait_for_other_files_is_told(gateway: Script, browser: Browser, page: str) -> None:
    refuse(gateway, page.partition("?")[0], 503, "Other exports are still being sent.")
    answer = await browser.get(page)
    back = page.partition("/export.csv")[0]
    assert answer.status_code == 303
    assert answer.headers["location"].removesuffix("#main") == back
    assert "another one may still be on its way" in (await browser.get(back)).text


async def test_a_session_is_refreshed_by_a_file_too(gateway: Script, browser: Browser) -> None:
    def file(call: Call) -> tuple[int, object]:
        fresh = call.headers["authorization"] == "Bearer access-2"
        return (200, {}) if fresh else (401, {"title": "Sign in", "status": 401})

    del gateway.files[ASKED[CUSTOMERS]]
    gateway.on(ASKED[CUSTOMERS], file)
    gateway.on("POST /v1/sessions/refresh", samples.tokens(access_token="access-2"))
    answer = await browser.get(CUSTOMERS)
    assert (answer.status_code, answer.text) == (200, "{}")
    assert COOKIE in answer.cookies
    assert len(gateway.asked("POST /v1/sessions/refresh")) == 1


async def test_who_is_not_signed_in_gets_no_file(gateway: Script, browser: Browser) -> None:
    browser.cookies.clear()
    assert (await browser.get(CUSTOMERS)).status_code == 303
    assert gateway.calls == []


async def test_staff_are_led_to_no_file(browser: Browser) -> None:
    sign_in(browser, "staff")
    for page in ("/dashboard/customers", "/dashboard/appointments"):
        assert "export.csv" not in (await browser.get(page)).text


@pytest.fixture
async def server(gateway: Script) -> AsyncIterator[str]:
    """web as a server on a socket; its address."""
    app, service = site(gateway.url)
    await service.gateway.open()
    config = uvicorn.Config(app, port=0, http=BoundedProtocol, log_config=None, lifespan="off")
    running = AnnouncedServer(config)
    serving = asyncio.create_task(running.serve())
    await running.listens.wait()
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    await serving
    await service.gateway.close()


@pytest.fixture
async def reader(server: str) -> AsyncIterator[httpx.AsyncClient]:
    session = asdict(session_from(samples.tokens())) | {"role": "owner", "expires_at": time.time() + 600}
    cookies = {COOKIE: CookieBox(KEY).seal("session", session)}
    async with httpx.AsyncClient(base_url=server, cookies=cookies, timeout=30) as client:
        yield client


async def test_a_file_is_sent_while_it_is_made(gateway: Script, reader: httpx.AsyncClient) -> None:
    arrived = asyncio.Event()

    async def in_parts(request: aio.Request) -> aio.StreamResponse:
        answer = aio.StreamResponse(headers=HEAD)
        await answer.prepare(request)
        await answer.write(b"first")
        await arrived.wait()
        await answer.write(b"last")
        return answer

    gateway.files[ASKED[CUSTOMERS]] = in_parts
    async with asyncio.timeout(30), reader.stream("GET", CUSTOMERS) as answer:
        parts = answer.aiter_bytes()
        assert await anext(parts) == b"first"
        arrived.set()
        assert await anext(parts) == b"last"
        assert [part async for part in parts] == []


async def test_a_file_that_breaks_off_does_not_look_whole(gateway: Script, reader: httpx.AsyncClient) -> None:
    async def cut(request: aio.Request) -> aio.StreamResponse:
        answer = aio.StreamResponse(headers=HEAD)
        await answer.prepare(request)
        await answer.write(b"first")
        assert request.transport is not None
        request.transport.close()
        return answer

    gateway.files[ASKED[CUSTOMERS]] = cut
    came = b""
    with pytest.raises(httpx.RemoteProtocolError):
        async with asyncio.timeout(30), reader.stream("GET", CUSTOMERS) as answer:
            assert answer.status_code == 200
            async for part in answer.aiter_bytes():
                came += part
    assert came == b"first"


async def test_who_leaves_in_the_middle_ends_the_making_of_the_file(
    gateway: Script, reader: httpx.AsyncClient
) -> None:
    ended = asyncio.Event()

    async def endless(request: aio.Request) -> aio.StreamResponse:
        answer = aio.StreamResponse(headers=HEAD)
        await answer.prepare(request)
        await answer.write(b"first")
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    gateway.files[ASKED[CUSTOMERS]] = endless
    async with asyncio.timeout(30):
        async with reader.stream("GET", CUSTOMERS) as answer:
            assert await anext(answer.aiter_bytes()) == b"first"
        await ended.wait()


async def test_a_gateway_that_has_gone_before_the_file_began_is_said(
    gateway: Script, reader: httpx.AsyncClient
) -> None:
    async def silent(request: aio.Request) -> aio.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return aio.StreamResponse()

    gateway.files[ASKED[CUSTOMERS]] = silent
    answer = await reader.get(CUSTOMERS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/customers")
