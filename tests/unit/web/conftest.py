"""A browser of web's pages, and the scripted gateway behind them; see support.web_site."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import asdict
from zoneinfo import ZoneInfo

import httpx
import pytest
from aiohttp import web as aio
from aiohttp.test_utils import TestServer

from support import web_samples as samples
from support.web_site import KEY, Browser, Script, site
from web.cookies import CookieBox
from web.sessions import COOKIE, session_from


@pytest.fixture
async def gateway() -> AsyncIterator[Script]:
    script = Script()
    app = aio.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    server = TestServer(app)
    await server.start_server()
    script.url = str(server.make_url("")).rstrip("/")
    yield script
    await server.close()


@pytest.fixture
async def browser(gateway: Script) -> AsyncIterator[Browser]:
    app, service = site(gateway.url)
    await service.gateway.open()
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with Browser(transport=transport, base_url="http://slotwright.test") as client:
        yield client
    await service.gateway.close()


@pytest.fixture
def signed_in(gateway: Script, browser: Browser) -> None:
    """An owner is, and their business has one of everything."""
    zone = ZoneInfo(samples.ZONE)
    noon = dt.datetime.combine(dt.datetime.now(zone).date(), dt.time(12), zone)
    gateway.on("GET /v1/business", samples.profile())
    gateway.on("GET /v1/services", samples.page(samples.service()))
    gateway.on(
        "GET /v1/staff", samples.page(samples.member(), samples.member(id=samples.GRACE, name="Grace"))
    )
    gateway.on("GET /v1/appointments", samples.page(samples.appointment(noon)))
    gateway.on(f"GET /v1/staff/{samples.ADA}", samples.member())
    gateway.on(f"GET /v1/services/{samples.SERVICE}", samples.service())
    gateway.on("GET /v1/resources", samples.page(samples.room()))
    gateway.on("GET /v1/reminder-policy", samples.policy(86400, 5400))
    sign_in(browser, "owner")


@pytest.fixture
def as_staff(signed_in: None, browser: Browser) -> None:
    """Somebody is signed in who is no owner; the business has the same."""
    sign_in(browser, "staff")


def sign_in(browser: Browser, role: str) -> None:
    session = asdict(session_from(samples.tokens())) | {"role": role}
    browser.cookies.set(COOKIE, CookieBox(KEY).seal("session", session), domain="slotwright.test")
