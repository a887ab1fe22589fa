"""An owner closes days and frees them again, and lends a member of staff two calendars, through the pages alone."""

import datetime as dt
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from contracts.platform import TenantChanged
from integration.web.conftest import Browser, Site
from integration.web.test_pages import book, day, set_up
from support.events import until

HOLIDAYS = "/dashboard/holidays"


def calendar(*dates: dt.date) -> bytes:
    events = [
        f"BEGIN:VEVENT\r\nUID:{date}\r\nDTSTART;VALUE=DATE:{date:%Y%m%d}\r\nEND:VEVENT\r\n" for date in dates
    ]
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{''.join(events)}END:VCALENDAR\r\n".encode()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a calendar that takes the day after `day()`; there is nothing else at its server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ada.ics" else 404)
            self.end_headers()
            self.wfile.write(calendar(day(1)))

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/ada.ics"
    server.shutdown()
    server.server_close()


def followed(browser: Browser, page: httpx.Response, address: str) -> httpx.Response:
    """The page that a link of this one leads to."""
    assert f'href="{address}"' in page.text, page.text
    return browser.get(address)


def until_offered(
    site: Site, tenant: TenantChanged, service_id: str, date: dt.date, *, offered: bool
) -> None:
    address = f"/b/{tenant.slug}?service={service_id}&date={date.isoformat()}"
    heading = f'id="day-{date.isoformat()}"'
    with site.browser() as customer:
        until(lambda: (heading in customer.get(address).text) is offered, f"offered: {offered}")


def test_days_are_closed_for_one_and_for_all_and_what_is_booked_stays(site: Site) -> None:
    tenant = site.open_business()
    staff_id, service_id = set_up(site, tenant)
    with site.browser() as customer:
        book(customer, tenant, service_id)
    member = f"/dashboard/staff/{staff_id}"
    with site.browser(owner_of=tenant) as owner:
        page = followed(owner, owner.get(member), f"{member}/time-off")
        refused = owner.submit(page, f"{member}/time-off", {"first_day": "2020-01-01"})
        assert 'id="first_day-fault">This lies more than 31 days in the past.' in refused.text, refused.text
        added = owner.submit(refused, f"{member}/time-off", {"first_day": day().isoformat()})
        assert "One appointment is booked in this time and will stay" in added.text, added.text
        until_offered(site, tenant, service_id, day(), offered=False)
        assert site.appointments(tenant) == ["confirmed"]
        action = re.search(rf'action="({member}/time-off/[0-9a-f-]+/remove)"', added.text)
        assert action
        assert "Removed." in owner.submit(added, action[1]).text
        until_offered(site, tenant, service_id, day(), offered=True)

        page = followed(owner, owner.get("/dashboard/settings"), HOLIDAYS)
        fair = {"name": "Fair <3", "first_day": day().isoformat(), "last_day": day(1).isoformat()}
        added = owner.submit(page, HOLIDAYS, fair)
        assert "Fair &lt;3" in added.text, added.text
        until_offered(site, tenant, service_id, day(1), offered=False)
        wrong = owner.submit(added, f"{HOLIDAYS}/import", files={"calendar": ("a.ics", b"no calendar")})
        assert 'id="calendar-fault">This is not a calendar file. Nothing was added.' in wrong.text, wrong.text
        file = {"calendar": ("holidays.ics", calendar(day(1), day(8), day(9)))}
        taken = owner.submit(wrong, f"{HOLIDAYS}/import", files=file)
        assert "2 days added" in taken.text, taken.text
        assert "1 renamed as the file has it" in taken.text
        late = owner.submit(added, HOLIDAYS, {"name": "Late", "first_day": day(19).isoformat()})
        assert "Somebody changed it" in late.text, late.text
        only = f"{HOLIDAYS}/{day().isoformat()}/{day().isoformat()}/remove"
        assert "Removed" in owner.submit(taken, only).text
        until_offered(site, tenant, service_id, day(), offered=True)
    assert site.appointments(tenant) == ["confirmed"]


def test_a_member_of_staff_has_two_calendars(site: Site, elsewhere: str) -> None:
    tenant = site.open_business()
    staff_id, service_id = set_up(site, tenant)
    with site.browser() as customer:
        book(customer, tenant, service_id)
    calendars = f"/dashboard/staff/{staff_id}/calendars"

    def feed(page: httpx.Response) -> httpx.Response:
        shown = re.search(r'value="http[^"]*(/v1/public/feeds/[^"]+)" readonly', page.text)
        assert shown, page.text
        return httpx.get(f"{site.gateway}{shown[1]}", timeout=30)

    with site.browser(owner_of=tenant) as owner:
        made = owner.submit(owner.get(calendars), f"{calendars}/feed")
        assert "Bea" in feed(made).text
        page = owner.get(calendars)
        assert "An address was made on" in page.text, page.text
        again = owner.submit(page, f"{calendars}/feed")
        assert (feed(made).status_code, feed(again).status_code) == (404, 200)
        ended = owner.submit(owner.get(calendars), f"{calendars}/feed/end")
        assert "Make the address" in ended.text, ended.text
        assert feed(again).status_code == 404

        refused = owner.submit(ended, f"{calendars}/busy", {"url": "ftp://calendar.example/ada.ics"})
        assert 'id="url-fault">This must begin with https://' in refused.text, refused.text
        owner.submit(refused, f"{calendars}/busy", {"url": f"{elsewhere}.old"})
        until(lambda: "it is not at this address" in owner.get(calendars).text, "why it cannot be read")
        owner.submit(owner.get(calendars), f"{calendars}/busy", {"url": elsewhere})
        until(lambda: "One time is kept free." in owner.get(calendars).text, "it is read")
        until_offered(site, tenant, service_id, day(1), offered=False)
        gone = owner.submit(owner.get(calendars), f"{calendars}/busy/remove")
        assert f'action="{calendars}/busy/remove"' not in gone.text, gone.text
        until_offered(site, tenant, service_id, day(1), offered=True)
