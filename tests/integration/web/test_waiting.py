"""Customers wait for a time; the business sees them, offers one by hand and takes another off the list."""

import re

import httpx

from contracts.platform import TenantChanged
from integration.web.conftest import Browser, Site
from integration.web.test_pages import CUSTOMER, day, set_up

HERE = "/dashboard/waitlist"


def join(customer: Browser, tenant: TenantChanged, service_id: str, **changes: str) -> str:
    """Waits for a week behind the booking window, which is 60 days; answers the link."""
    picker = customer.get(f"/b/{tenant.slug}?service={service_id}&date={day(90)}")
    joined = customer.submit(picker, f"/b/{tenant.slug}/waitlist", CUSTOMER | changes)
    assert "You are on the waitlist" in joined.text, joined.text
    return joined.url.path


def times_of(page: httpx.Response) -> list[str]:
    return re.findall(r'name="at" value="([^"]+)"', page.text)


def part_of(page: httpx.Response, who: str) -> str:
    """What the list says of somebody."""
    (found,) = [item for item in re.findall(r"<li class=.*?</li>", page.text, re.S) if who in item]
    return str(found)


def way_to(page: httpx.Response, who: str) -> str:
    """Where somebody is offered a time."""
    found = re.search(rf'href="({HERE}/[0-9a-f-]+/offer)"', part_of(page, who))
    assert found, page.text
    return found[1]


def test_a_time_is_offered_to_one_who_waits_and_another_is_taken_off(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    with site.browser(owner_of=tenant) as owner, site.browser() as customer:
        assert "Nobody waits." in owner.get(HERE).text
        link = join(customer, tenant, service_id)
        other = join(customer, tenant, service_id, name="Cy", email="cy@customer.example")
        listed = owner.get(f"{HERE}?service={service_id}")
        bea = part_of(listed, "Bea &lt;Bond&gt;")
        assert "Haircut · with anyone" in bea
        assert "bea@customer.example" in bea
        assert listed.text.index("Bea &lt;Bond&gt;") < listed.text.index(">Cy<"), "who came first"

        way = way_to(listed, "Bea &lt;Bond&gt;")
        assert "No free times in these days." in owner.get(way).text
        free = owner.get(f"{way}?date={day()}")
        assert "not asked for" in free.text
        chosen = owner.get(way, params={"date": day().isoformat(), "at": times_of(free)[0]})
        offered = owner.submit(chosen, way)
        assert "The time is kept for Bea &lt;Bond&gt;" in offered.text, offered.text
        assert "; kept until" in part_of(offered, "Bea &lt;Bond&gt;")
        assert times_of(free)[0] not in times_of(owner.get(f"{way_to(offered, 'Cy')}?date={day()}"))
        assert "A time is free for you" in customer.get(link).text

        taken_off = owner.submit(offered, way_to(offered, "Cy").replace("/offer", "/remove"))
        assert "They are no longer on the waitlist." in taken_off.text
        assert ">Cy<" not in taken_off.text
        assert "You are not on the waitlist" in customer.get(other).text
        assert ">Cy<" in owner.get(f"{HERE}?show=removed").text

        booked = customer.submit(customer.get(link), f"{link}/accept")
        assert "You are booked" in booked.text, booked.text
        assert "Nobody waits." in owner.get(HERE).text
        assert "Bea &lt;Bond&gt;" in owner.get(f"{HERE}?show=booked").text
        owner.submit(offered, way.replace("/offer", "/remove"))
        assert site.appointments(tenant) == ["confirmed"], "who comes too late with that changes nothing"
