"""Somebody rings up, and the business books for them: a time that is free, one of its own, and a series."""

import datetime as dt
import html
import re
from typing import Any

import httpx

from contracts.platform import TenantChanged
from integration.web.conftest import Browser, Site
from integration.web.test_pages import LISBON, day, set_up, slots
from web import times

NEW = "/dashboard/appointments/new"
BEA = {"name": "Bea <Bond>", "email": "bea@customer.example", "consent_email": "yes", "notes": "Rang up."}


def wall(date: dt.date, hour: int = 9) -> str:
    return f"{date.isoformat()}T{hour:02}:00"


def booked(site: Site, tenant: TenantChanged) -> list[dict[str, Any]]:
    """All its appointments that are not cancelled, by start."""
    items = site.call(tenant, "GET", "/v1/appointments")["items"]
    return [item for item in items if item["status"] != "cancelled"]


def details(owner: Browser, service_id: str) -> httpx.Response:
    return owner.get(f"{NEW}/details?service={service_id}")


def test_a_customer_who_rings_up_is_booked_for(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    with site.browser(owner_of=tenant) as owner:
        assert f'href="{NEW}"' in owner.get("/dashboard").text
        picker = owner.get(f"{NEW}?date={day()}")
        slot = slots(picker)[3]
        form = owner.get(f"{NEW}/details", params={"service": service_id, "starts_at": slot})
        wrong = owner.submit(form, NEW, BEA | {"email": "bea", "starts_at": wall(day(), 1)})
        assert 'id="email-fault">This must be an e-mail address.' in wrong.text, wrong.text
        assert "Rang up.</textarea>" in wrong.text
        typed = BEA | {"starts_at": times.to_input(times.local(slot, LISBON.key))}
        days = [owner.submit(wrong, NEW, typed) for _ in range(2)]
        assert "Booked for Bea &lt;Bond&gt; at 01:30." in days[0].text, days[0].text
        assert days[0].url.params["date"] == day().isoformat()
        assert "Rang up." in days[0].text
        assert len(booked(site, tenant)) == 1, "sent twice, booked once"

        taken = owner.submit(details(owner, service_id), NEW, typed)
        assert 'id="starts_at-fault">This time is taken.' in taken.text, taken.text
        assert "Free on that day: 00:00, 00:30, 01:00, 02:00," in taken.text
        beyond = wall(day(90))
        done = owner.submit(taken, NEW, typed | {"starts_at": beyond})
        assert "Booked for Bea" in done.text, "behind the booking window, which is 60 days"

        page = re.search(r'href="(/dashboard/appointments/[0-9a-f-]{36})"', done.text)
        assert page
        link = re.search(rf'href="({NEW}\?[^"]*customer=[^"]*)"', owner.get(page[1]).text)
        assert link
        again = owner.get(html.unescape(link[1]))
        assert "For Bea &lt;Bond&gt;" in again.text
        found = owner.get(f"{NEW}/details?service={service_id}&q=bea")
        card = re.search(rf'<a class="card" href="({NEW}/details[^"]*)"', found.text)
        assert card
        assert 'value="bea@customer.example"' in owner.get(html.unescape(card[1])).text
    assert [item["source"] for item in booked(site, tenant)] == ["staff", "staff"]


def test_a_series_is_booked_without_what_is_taken_and_ended(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    days = [day(7 * place) for place in range(4)]
    with site.browser(owner_of=tenant) as owner:
        other = BEA | {"name": "Cem", "starts_at": wall(days[1])}
        assert "Booked for Cem" in owner.submit(details(owner, service_id), NEW, other).text
        typed = BEA | {"starts_at": wall(days[0]), "repeat": "week", "count": "4"}
        refused = owner.submit(details(owner, service_id), NEW, typed)
        assert refused.status_code == 409
        assert re.findall(r"<li>([^<]*09:00[^<]*)</li>", refused.text) == [
            f"{times.long_day(days[1])}, 09:00: taken"
        ]
        assert len(booked(site, tenant)) == 1
        done = owner.submit(refused, NEW, typed | {"skip": "yes"})
        assert "Booked 3 times for Bea" in done.text, done.text
        assert f"Left out: {times.short_day(days[1])}." in done.text
        assert done.url.params["date"] == days[0].isoformat()

        (third,) = [item for item in booked(site, tenant) if item["starts_at"][:10] == days[2].isoformat()]
        page = f"/dashboard/appointments/{third['id']}"
        shown = owner.get(page)
        assert "<caption>3 appointments</caption>" in shown.text, shown.text
        ended = owner.submit(shown, f"{page}/series/cancel")
        assert "Cancelled 2 appointments" in ended.text, ended.text
        assert f"{page}/series/cancel" not in ended.text
        assert f'href="{NEW}' in ended.text
    left = [times.local(item["starts_at"], LISBON.key).date() for item in booked(site, tenant)]
    assert left == days[:2], "what was before it stays, and what is of no series"
