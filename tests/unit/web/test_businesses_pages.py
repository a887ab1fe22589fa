"""Who works at several businesses: where they are, how they get to another, and what ends with that."""

from typing import Any
from uuid import UUID

import pytest

from auth.routes.sessions import BusinessAnswer, MeAnswer
from support import web_samples as samples
from support.web_site import Browser, Script, hidden_fields
from web.sessions import COOKIE

PAGE = "/dashboard/businesses"
SWITCH = "POST /v1/sessions"
RIVERSIDE = BusinessAnswer(
    id=samples.TENANT, slug="riverside", display_name="Riverside Barbers", role="owner", suspended=False
)
HILLSIDE = BusinessAnswer(
    id=UUID(int=60), slug="hillside", display_name="Hillside <Spa>", role="staff", suspended=True
)
THERE = samples.tokens(
    session_id=UUID(int=61),
    access_token="access-there",
    refresh_token="refresh-there",
    businesses=[HILLSIDE, RIVERSIDE],
)


def me(*businesses: BusinessAnswer) -> dict[str, Any]:
    return MeAnswer(
        id=samples.ADA,
        email="ada@riverside.example",
        name="Ada",
        role=businesses[0].role,
        session_id=samples.SESSION,
        business=businesses[0],
        businesses=list(businesses),
    ).model_dump(mode="json")


@pytest.fixture(autouse=True)
def _at_two(signed_in: None, gateway: Script) -> None:
    gateway.on("GET /v1/me", me(RIVERSIDE, HILLSIDE))
    gateway.on(SWITCH, THERE, 201)


async def test_each_business_is_listed_with_a_way_there_and_the_present_one_is_marked(
    gateway: Script, browser: Browser
) -> None:
    page = (await browser.get(PAGE)).text
    riverside, hillside = page.split("<li><div")[1:]
    assert 'class="card chosen"><strong>Riverside Barbers' in riverside
    assert "as owner" in riverside
    assert '<a href="/dashboard">Go on here' in riverside
    assert "<form" not in riverside
    assert "Hillside &lt;Spa&gt;" in hillside
    assert "as staff" in hillside
    assert ">suspended<" in hillside
    assert "Go there" in hillside
    assert hidden_fields(page, PAGE)["business"] == "hillside"


async def test_who_works_at_one_business_reads_that_it_is_the_only_one(
    gateway: Script, browser: Browser
) -> None:
    gateway.on("GET /v1/me", me(RIVERSIDE))
    page = (await browser.get(PAGE)).text
    assert "You work at Riverside Barbers alone." in page
    assert f'action="{PAGE}"' not in page


async def test_going_there_makes_all_pages_the_other_businesss(gateway: Script, browser: Browser) -> None:
    answer = await browser.submit(PAGE, PAGE)
    assert answer.headers["location"] == "/dashboard"
    (asked,) = gateway.asked(SWITCH)
    assert asked.body == {"business": "hillside"}
    assert asked.headers["authorization"] == "Bearer access-1"
    page = (await browser.get("/dashboard")).text
    assert "You are at Hillside &lt;Spa&gt; now." in page
    assert 'href="/b/hillside"' in page
    assert gateway.asked("GET /v1/business")[-1].headers["authorization"] == "Bearer access-there"
    assert "Go on here" in (await browser.get(PAGE)).text.partition("Hillside")[2]
    assert "/dashboard/members" not in (await browser.get("/dashboard/settings")).text, "staff there"


async def test_a_form_of_the_first_business_is_refused_at_the_second(
    gateway: Script, browser: Browser
) -> None:
    """It stands open in another tab, and would else change what is the other business's."""
    gateway.on("PUT /v1/reminder-policy", samples.policy())
    page = "/dashboard/reminders"
    fields = hidden_fields((await browser.get(page)).text, page)
    await browser.submit(PAGE, PAGE)
    answer = await browser.post(page, data=fields)
    assert answer.status_code == 403
    assert "gone to another business: you are at hillside now." in answer.text
    assert "open for too long" not in answer.text
    assert gateway.asked("PUT /v1/reminder-policy") == []


async def test_who_is_there_already_comes_to_its_dashboard(gateway: Script, browser: Browser) -> None:
    gateway.refuse(SWITCH, 409, "conflict", "'hillside' is where this session is already; refresh it.")
    assert (await browser.submit(PAGE, PAGE)).headers["location"] == "/dashboard"
    assert "refresh it" not in (await browser.get("/dashboard")).text


async def test_who_does_not_work_there_any_more_is_told_so(gateway: Script, browser: Browser) -> None:
    gateway.refuse(SWITCH, 403, "no-business", "You do not work at this business.")
    assert (await browser.submit(PAGE, PAGE)).headers["location"] == PAGE
    page = (await browser.get(PAGE)).text
    assert "You do not work there any more." in page
    assert "Go on here" in page.partition("Hillside")[0], "and is where they were"


async def test_who_works_at_several_chooses_when_they_sign_in(gateway: Script, browser: Browser) -> None:
    login = {"email": "ada@riverside.example", "password": "correct horse"}
    leads = {"": PAGE, "?next=/dashboard": PAGE, "?next=/dashboard/staff": "/dashboard/staff"}
    for next_page, lead in leads.items():
        browser.cookies.delete(COOKIE)
        answer = await browser.submit(f"/login{next_page}", "/login", login)
        assert answer.headers["location"] == lead


async def test_who_is_signed_out_is_asked_to_sign_in(browser: Browser) -> None:
    browser.cookies.delete(COOKIE)
    assert (await browser.get(PAGE)).headers["location"] == f"/login?next={PAGE}"
