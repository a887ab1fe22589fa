"""Where the dashboard leads, and whom."""

import re

import pytest

from support import web_samples as samples
from support.web_site import Browser
from web.navigation import BEHIND_SETTINGS, TABS, current_tab

FOR_OWNERS = {place.address for place in (*TABS, *BEHIND_SETTINGS) if place.for_owners}


def links(page: str) -> set[str]:
    return set(re.findall(r'href="(/dashboard[^"]*)"', page))


@pytest.mark.usefixtures("signed_in")
async def test_an_owner_is_led_to_every_page(browser: Browser) -> None:
    page = (await browser.get("/dashboard/settings")).text
    assert {place.address for place in (*TABS, *BEHIND_SETTINGS)} <= links(page)


@pytest.mark.usefixtures("as_staff")
async def test_staff_are_led_to_none_that_is_for_owners(browser: Browser) -> None:
    found = links((await browser.get("/dashboard/settings")).text)
    assert found >= {place.address for place in (*TABS, *BEHIND_SETTINGS)} - FOR_OWNERS
    assert not found & FOR_OWNERS


async def test_who_is_not_signed_in_is_asked_to_before_they_see_the_settings(browser: Browser) -> None:
    answer = await browser.get("/dashboard/settings")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/dashboard/settings")


@pytest.mark.parametrize(
    ("path", "tab"),
    [
        ("/dashboard", "/dashboard"),
        (f"/dashboard/appointments/{samples.APPOINTMENT}", "/dashboard/appointments"),
        (f"/dashboard/staff/{samples.ADA}", "/dashboard/staff"),
        ("/dashboard/settings", "/dashboard/settings"),
        ("/dashboard/billing", "/dashboard/settings"),
        (f"/dashboard/rooms/{samples.ROOM}", "/dashboard/settings"),
        ("/dashboard/members", "/dashboard/settings"),
    ],
)
def test_a_page_belongs_to_one_tab(path: str, tab: str) -> None:
    assert current_tab(path) == tab
