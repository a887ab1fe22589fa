"""Days, instants and zones that people put into addresses."""

import datetime as dt
from pathlib import Path

import pytest

from support import web_samples as samples
from support.web_site import Browser, Script
from support.zones import later_zone
from web.times import clock, day_or, instant, local, zone_or

FAR = ("0001-01-01", "0999-12-31", "9000-01-01", "9999-12-31")


@pytest.mark.parametrize("far", FAR)
def test_a_day_out_of_all_bounds_is_the_default(far: str) -> None:
    today = dt.date(2030, 1, 1)
    assert day_or(far, today) == today
    with pytest.raises(ValueError, match="bounds"):
        instant(f"{far}T00:00:00Z")


@pytest.mark.parametrize("far", FAR)
async def test_pages_are_shown_all_the_same(gateway: Script, browser: Browser, far: str) -> None:
    gateway.on("GET /v1/public/riverside", samples.business())
    gateway.on("GET /v1/public/riverside/availability", samples.availability())
    page = await browser.get(f"/b/riverside?service={samples.SERVICE}&date={far}")
    assert page.status_code == 200
    details = f"/b/riverside/details?service={samples.SERVICE}&starts_at={far}T00:00:00Z"
    assert (await browser.get(details)).status_code in {200, 303}


@pytest.mark.parametrize(
    ("zone", "moments"),
    [
        ("Europe/Lisbon", {"2027-10-31T00:30Z": "01:30 WEST", "2027-10-31T01:30Z": "01:30 WET"}),
        ("Pacific/Auckland", {"2027-04-03T13:00Z": "02:00 NZDT", "2027-04-03T14:59Z": "02:59 NZST"}),
        ("Pacific/Auckland", {"2027-04-03T12:59Z": "01:59", "2027-04-03T15:00Z": "03:00"}),
        ("America/Sao_Paulo", {"2018-02-18T01:30Z": "23:30 -02", "2018-02-18T02:30Z": "23:30 -03"}),
        ("Europe/Lisbon", {"2027-03-28T00:59Z": "00:59", "2027-03-28T01:00Z": "02:00"}),
    ],
)
def test_a_time_that_the_clocks_have_twice_says_which_one_it_is(zone: str, moments: dict[str, str]) -> None:
    assert {moment: clock(local(moment, zone)) for moment in moments} == moments


@pytest.mark.parametrize("name", ["localtime", "Factory", "Mars/Olympus", "", None])
def test_what_is_no_zone_is_the_default(name: str | None) -> None:
    assert zone_or(name, "Europe/Lisbon") == "Europe/Lisbon"


def test_a_page_that_names_a_zone_has_no_files_read(tmp_path: Path) -> None:
    with later_zone(tmp_path) as name:
        assert zone_or("Asia/Tokyo", "UTC") == "Asia/Tokyo"
        assert zone_or(name, "UTC") == "UTC"
