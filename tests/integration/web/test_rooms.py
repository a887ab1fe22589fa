"""An owner says what a haircut needs and asks whoever books, through the pages alone; a customer meets both."""

import re
from typing import Any

from contracts.platform import TenantChanged
from integration.web.conftest import Browser, Site
from integration.web.test_pages import CUSTOMER, book, day, set_up, slots
from support.events import until
from support.web_forms import as_it_stands

ROOMS = "/dashboard/rooms"


def add_grace(owner: Browser) -> str:
    """Somebody beside Ada, who works on every day; their id."""
    page = owner.submit(owner.get("/dashboard/staff"), "/dashboard/staff", {"name": "Grace"})
    member = page.url.path
    hours = {f"{end}-{day}-0": "00:00" for day in range(7) for end in ("opens", "closes")}
    assert "The hours are saved." in owner.submit(page, f"{member}/hours", hours).text
    return member.rsplit("/", 1)[1]


def add_chair(owner: Browser) -> str:
    """A chair, at the second attempt; its id."""
    wrong = owner.submit(owner.get(ROOMS), ROOMS, {"name": "Chair <1>", "capacity": "0"})
    assert 'id="capacity-fault">This must be at least 1.' in wrong.text, wrong.text
    added = owner.submit(wrong, ROOMS, {"name": "Chair <1>", "capacity": "1"})
    assert "Chair &lt;1&gt; is added." in added.text, added.text
    found = re.search(rf"{ROOMS}/([0-9a-f-]{{36}})", added.text)
    assert found
    return found[1]


def free(site: Site, tenant: TenantChanged, service_id: str) -> list[dict[str, Any]]:
    """What booking offers for the day."""
    query = f"service={service_id}&from={day()}&to={day()}"
    found: dict[str, Any] = site.call(tenant, "GET", f"/v1/public/{tenant.slug}/availability?{query}")
    slots: list[dict[str, Any]] = found["slots"]
    return slots


def test_a_chair_that_a_haircut_needs_decides_when_it_can_be_booked(site: Site) -> None:
    tenant = site.open_business()
    ada, service_id = set_up(site, tenant)
    offer = f"/dashboard/services/{service_id}"
    picker = f"/b/{tenant.slug}?service={service_id}&date={day()}"
    with site.browser(owner_of=tenant) as owner, site.browser() as customer:
        grace, chair_id = add_grace(owner), add_chair(owner)
        chair = f"{ROOMS}/{chair_id}"
        form: dict[str, Any] = as_it_stands(owner.get(offer).text, offer)
        form |= {"staff": [ada, grace], "need-0": chair_id, "count-0": "2"}
        refused = owner.post(offer, data=form)
        assert 'id="count-0-fault">This is more than there are: 1.' in refused.text, refused.text
        form = as_it_stands(refused.text, offer) | {"count-0": "1"}
        assert "Haircut is saved." in owner.post(offer, data=form).text
        until(lambda: len(free(site, tenant, service_id)[0]["staff_ids"]) == 2, "booking knows of both")

        first = slots(customer.get(picker))[0]
        assert "You are booked" in book(customer, tenant, service_id).text
        assert first not in slots(customer.get(picker)), "one of two people is free, the chair is not"
        more = owner.submit(owner.get(chair), chair, {"name": "Chairs", "capacity": "2"})
        assert "Saved." in more.text, more.text
        until(lambda: first in slots(customer.get(picker)), "a second chair")

        evening = {"date": day().isoformat(), "opens": "22:00", "closes": "23:00"}
        assert "The date is saved." in owner.submit(owner.get(chair), f"{chair}/exceptions", evening).text
        until(lambda: len(free(site, tenant, service_id)) == 2, "the chairs' hours on one date")
        for date in (day(365), day()):
            off = owner.submit(owner.get(chair), f"{chair}/exceptions", {"date": date.isoformat()})
            assert f"<td>{date.isoformat()}</td><td>closed</td>" in off.text, off.text
        back = owner.submit(owner.get(chair), f"{chair}/exceptions/{day()}/remove")
        assert back.text.count("<td>closed</td>") == 1
        until(lambda: first in slots(customer.get(picker)), "the date is as any other")

        hours = {
            f"{end}-{day().weekday()}-0": time for end, time in (("opens", "23:00"), ("closes", "23:30"))
        }
        assert "The hours are saved." in owner.submit(owner.get(chair), f"{chair}/hours", hours).text
        until(lambda: len(free(site, tenant, service_id)) == 1, "the chairs' hours")
        assert "at any time now" in owner.submit(owner.get(chair), f"{chair}/hours").text
        until(lambda: first in slots(customer.get(picker)), "chairs without hours")

        kept = owner.submit(owner.get(chair), f"{chair}/remove")
        assert "It is needed by Haircut." in kept.text, kept.text
        form = as_it_stands(owner.get(offer).text, offer)
        assert form.pop("need-0") == [chair_id]
        assert "Haircut is saved." in owner.post(offer, data=form).text
        assert "Removed." in owner.submit(owner.get(chair), f"{chair}/remove").text
        assert chair not in owner.get(ROOMS).text


def test_what_a_service_asks_is_answered_by_whoever_books(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    offer = f"/dashboard/services/{service_id}"
    picker = f"/b/{tenant.slug}?service={service_id}&date={day()}"
    with site.browser(owner_of=tenant) as owner, site.browser() as customer:
        form: dict[str, Any] = as_it_stands(owner.get(offer).text, offer)
        form |= {"question-0": "Which dog?", "required-0": "yes"}
        form |= {"question-1": "Length", "kind-1": "choice", "choices-1": "short\nshort"}
        refused = owner.post(offer, data=form)
        assert 'id="choices-1-fault">Two of the choices are the same.' in refused.text, refused.text
        # Two times a day, by which one sees that booking knows of it.
        form = as_it_stands(refused.text, offer) | {"choices-1": "short\nlong", "slot_step_minutes": "720"}
        assert "Haircut is saved." in owner.post(offer, data=form).text

        path = f"/b/{tenant.slug}/appointments"
        until(lambda: len(free(site, tenant, service_id)) < 5, "booking knows what the form said")
        page = customer.get(picker)
        details = customer.submit(page, f"/b/{tenant.slug}/hold", {"starts_at": slots(page)[0]})
        dog, length = re.findall(r'id="(question-[0-9a-f-]{36})"', details.text)
        missing = customer.submit(details, path, CUSTOMER | {length: "long"})
        assert f'id="{dog}-fault">This is needed.' in missing.text, missing.text
        answered = CUSTOMER | {dog: "Rex", length: "long"}
        booked = customer.submit(missing, path, answered)
        assert "You are booked" in booked.text, booked.text
        assert "Which dog?: Rex" in owner.get(f"/dashboard?date={day()}").text

        form = as_it_stands(owner.get(offer).text, offer)
        asked = form["question_id-1"]
        assert "Haircut is saved." in owner.post(offer, data=form | {"question-0": ""}).text
        form = as_it_stands(owner.get(offer).text, offer)
        assert form["question_id-0"] == asked, "the second is the first now"
        assert "question_id-1" not in form
