"""A business sets itself up and a customer books, moves and cancels, through the pages alone."""

import datetime as dt
import re
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from contracts.platform import TenantChanged
from integration.web.conftest import Browser, Site
from support.events import until

LISBON = ZoneInfo("Europe/Lisbon")
SERVICE = {
    "name": "Haircut",
    "duration_minutes": "30",
    "buffer_before_minutes": "0",
    "buffer_after_minutes": "0",
    "slot_step_minutes": "30",
    "minimum_notice_minutes": "0",
    "booking_window_days": "60",
    "cancellation_window_minutes": "0",
    "capacity": "1",
    "staff_count": "1",
    "price": "25.00",
}
CUSTOMER = {"name": "Bea <Bond>", "email": "bea@customer.example", "consent_email": "yes"}


@cache
def _begun() -> dt.date:
    """Today, as it is for the whole run: a midnight that falls into a test leaves its days as they were."""
    return dt.datetime.now(LISBON).date()


def day(later: int = 0) -> dt.date:
    """The one that is booked on, or so many after it. Its first time is to come, whatever midnight passes."""
    return _begun() + dt.timedelta(days=2 + later)


def set_up(site: Site, tenant: TenantChanged, service: dict[str, str] = SERVICE) -> tuple[str, str]:
    """Adds Ada, who works on every day, and a haircut; (staff id, service id) once they can be booked."""
    with site.browser(owner_of=tenant) as owner:
        added = owner.submit(owner.get("/dashboard/staff"), "/dashboard/staff", {"name": "Ada"})
        assert added.status_code == 200, added.text
        member = added.url.path
        hours = {f"{end}-{day}-0": "00:00" for day in range(7) for end in ("opens", "closes")}
        saved = owner.submit(added, f"{member}/hours", hours)
        assert "The hours are saved." in saved.text, saved.text
        staff_id = member.rsplit("/", 1)[1]
        new = "/dashboard/services/new"
        done = owner.submit(owner.get(new), new, service | {"staff": staff_id})
        assert "Haircut can be booked now." in done.text, done.text
        found = re.search(r"/dashboard/services/([0-9a-f-]{36})", done.text)
        assert found
        service_id = found[1]
        address = f"/b/{tenant.slug}?service={service_id}&date={day()}"

        def offered() -> bool:
            page = owner.get(address)
            return page.status_code == 200 and 'name="starts_at"' in page.text

        until(offered, "free times on the booking page")
    return staff_id, service_id


def slots(page: httpx.Response) -> list[str]:
    return re.findall(r'name="(?:starts_at|slot)" value="([^"]+)"', page.text)


def book(browser: Browser, tenant: TenantChanged, service_id: str, number: int = 0) -> httpx.Response:
    """Books the nth time of the day; answers the confirmation page."""
    picker = browser.get(f"/b/{tenant.slug}?service={service_id}&date={day()}")
    starts_at = slots(picker)[number]
    details = browser.submit(picker, f"/b/{tenant.slug}/hold", {"starts_at": starts_at})
    assert "This time is kept for you" in details.text, details.text
    return browser.submit(details, f"/b/{tenant.slug}/appointments", CUSTOMER)


def test_a_business_is_set_up_and_a_customer_books_moves_and_cancels(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    with site.browser() as customer:
        confirmed = book(customer, tenant, service_id)
        assert "You are booked" in confirmed.text, confirmed.text
        link = confirmed.url.path
        assert f"{link}</a>" in confirmed.text
        assert site.appointments(tenant) == ["confirmed"]

        choice = customer.get(f"{link}/reschedule")
        moved = customer.submit(choice, f"{link}/reschedule", {"slot": slots(choice)[-1]})
        assert "has been moved" in moved.text, moved.text

        cancelled = customer.submit(customer.get(link), f"{link}/cancel")
        assert "is cancelled" in cancelled.text, cancelled.text
        assert site.appointments(tenant) == ["cancelled"]


def test_of_two_who_want_the_same_time_one_is_shown_what_is_left(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    address = f"/b/{tenant.slug}?service={service_id}&date={day()}"
    with site.browser() as first, site.browser() as second:
        pages = first.get(address), second.get(address)
        wanted = slots(pages[0])[0]
        held = first.submit(pages[0], f"/b/{tenant.slug}/hold", {"starts_at": wanted})
        assert "kept for you" in held.text
        late = second.submit(pages[1], f"/b/{tenant.slug}/hold", {"starts_at": wanted})
        assert "has just taken that time" in late.text, late.text
        assert wanted not in slots(late)
        back = first.submit(held, f"/b/{tenant.slug}/another-time")
        assert wanted in slots(back), "it was given back"
        assert "kept for you" in second.submit(late, f"/b/{tenant.slug}/hold", {"starts_at": wanted}).text


def test_who_was_booked_with_somebody_who_does_it_no_longer_moves_to_another_or_cancels(
    site: Site,
) -> None:
    tenant = site.open_business()
    _ada, service_id = set_up(site, tenant)
    hours = [{"weekday": day, "opens": "00:00", "closes": "00:00"} for day in range(7)]
    with site.browser(owner_of=tenant) as owner, site.browser() as customer:
        link = book(customer, tenant, service_id).url.path
        grace = site.call(tenant, "POST", "/v1/staff", json={"name": "Grace", "weekly_hours": hours})["id"]
        offer = f"/dashboard/services/{service_id}"
        saved = owner.submit(owner.get(offer), offer, SERVICE | {"staff": grace})
        assert "Haircut is saved." in saved.text, saved.text

        def others() -> httpx.Response | None:
            page = customer.get(f"{link}/reschedule")
            return page if "Ada no longer does this." in page.text and slots(page) else None

        choice = until(others, "the times of who is there now")
        moved = customer.submit(choice, f"{link}/reschedule", {"slot": slots(choice)[-1]})
        assert "has been moved" in moved.text, moved.text
        assert "Grace" in moved.text

        assert "Removed." in owner.submit(owner.get(offer), f"{offer}/remove").text
        only = "can only be cancelled"
        until(lambda: only in customer.get(f"{link}/reschedule").text, "booking knows that it is gone")
        assert "is cancelled" in customer.submit(customer.get(link), f"{link}/cancel").text


def test_a_form_sent_twice_books_once(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    with site.browser() as customer:
        picker = customer.get(f"/b/{tenant.slug}?service={service_id}&date={day()}")
        details = customer.submit(picker, f"/b/{tenant.slug}/hold", {"starts_at": slots(picker)[0]})
        action = f"/b/{tenant.slug}/appointments"
        answers = [customer.submit(details, action, CUSTOMER) for _ in range(2)]
        # Going back loads the page anew.
        answers.append(customer.submit(customer.get(details.url), action, CUSTOMER))
        other = customer.submit(customer.get(details.url), action, CUSTOMER | {"name": "Lin C."})
    assert len({answer.url.path for answer in answers}) == 1
    assert "You have booked this time already." in other.text
    assert site.appointments(tenant) == ["confirmed"]


def test_a_time_that_is_kept_no_longer_is_booked_once(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant, SERVICE | {"capacity": "4"})
    action = f"/b/{tenant.slug}/appointments"
    with site.browser() as customer, site.browser() as same:
        picker = customer.get(f"/b/{tenant.slug}?service={service_id}&date={day()}")
        details = customer.submit(picker, f"/b/{tenant.slug}/hold", {"starts_at": slots(picker)[0]})
        same.cookies = customer.cookies
        same.submit(same.get(details.url), f"/b/{tenant.slug}/another-time")
        expired = customer.submit(details, action, CUSTOMER)
        assert "that has run out" in expired.text
        assert "You are booked" in customer.submit(expired, action, CUSTOMER).text
        # The answer to that was lost: going back sends the first form anew.
        again = customer.submit(details, action, CUSTOMER)
        assert "You have booked this time already." in again.text
        customer.submit(again, action, CUSTOMER)
    assert site.appointments(tenant) == ["confirmed"]


def test_what_the_api_refuses_stands_at_its_field(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    with site.browser() as customer:
        picker = customer.get(f"/b/{tenant.slug}?service={service_id}&date={day()}")
        details = customer.submit(picker, f"/b/{tenant.slug}/hold", {"starts_at": slots(picker)[0]})
        wrong = CUSTOMER | {"email": "not an address", "phone": "12"}
        answer = customer.submit(details, f"/b/{tenant.slug}/appointments", wrong)
        assert answer.status_code == 422
        assert 'id="email-fault">This must be an e-mail address.' in answer.text, answer.text
        assert 'id="phone-fault">This must be a number with its country code' in answer.text
        fixed = customer.submit(answer, f"/b/{tenant.slug}/appointments", CUSTOMER)
        assert "You are booked" in fixed.text


def test_the_owner_sees_the_day_and_cancels(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    with site.browser() as customer:
        book(customer, tenant, service_id)
    with site.browser(owner_of=tenant) as owner:
        shown = owner.get(f"/dashboard?date={day()}")
        assert "Bea &lt;Bond&gt;" in shown.text
        action = re.search(r'action="(/dashboard/appointments/[0-9a-f-]+/cancel)"', shown.text)
        assert action
        done = owner.submit(shown, action[1])
        assert "The appointment is cancelled" in done.text
        listed = owner.get("/dashboard/appointments?status=cancelled")
        assert "Bea &lt;Bond&gt;" in listed.text


def test_reminders_and_dates_are_kept(site: Site) -> None:
    tenant = site.open_business()
    staff_id, service_id = set_up(site, tenant)
    with site.browser(owner_of=tenant) as owner:
        page = owner.get("/dashboard/reminders")
        rows = {"amount-0": "1", "unit-0": "days", "amount-1": "90", "unit-1": "minutes"}
        assert "1 day, 90 minutes ahead" in owner.submit(page, "/dashboard/reminders", rows).text
        member = f"/dashboard/staff/{staff_id}"
        off = owner.submit(owner.get(member), f"{member}/exceptions", {"date": day().isoformat()})
        assert "day off" in off.text
        address = f"/b/{tenant.slug}?service={service_id}&date={day()}"
        heading = f'id="day-{day()}"'
        until(lambda: heading not in owner.get(address).text, "no times on the day off")


def test_one_business_sees_nothing_of_another(site: Site) -> None:
    mine, other = site.open_business(), site.open_business()
    staff_id, service_id = set_up(site, other)
    with site.browser(owner_of=mine) as owner:
        assert owner.get(f"/dashboard/staff/{staff_id}").status_code == 404
        assert owner.get(f"/dashboard/services/{service_id}").status_code == 404
        assert "Ada" not in owner.get("/dashboard/staff").text


def test_who_finds_nothing_free_joins_the_waitlist_and_leaves_it(site: Site) -> None:
    """In a week behind the booking window, which is 60 days."""
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    with site.browser() as customer:
        picker = customer.get(f"/b/{tenant.slug}?service={service_id}&date={day(90)}")
        assert slots(picker) == []
        joined = customer.submit(picker, f"/b/{tenant.slug}/waitlist", CUSTOMER)
        assert "You are on the waitlist" in joined.text, joined.text
        link = joined.url.path
        assert f"{link}</a>" in joined.text
        left = customer.submit(joined, f"{link}/leave")
        assert "You are no longer on the waitlist." in left.text, left.text
        assert f"{link}/leave" not in left.text


def test_who_is_offered_a_time_answers_what_the_service_asks(site: Site) -> None:
    """The offer is made by hand, for a day soon, to somebody who waits behind the booking window."""
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    questions = [
        {"label": "Which dog?", "kind": "text", "required": True},
        {"label": "Length", "kind": "choice", "choices": ["short", "long"]},
    ]
    path = f"/v1/services/{service_id}"
    kept = site.call(tenant, "GET", path)
    body = {name: kept[name] for name in (*SERVICE.keys() - {"price"}, "staff_ids")}
    body |= {"price_amount": kept["price"]["amount"], "questions": questions}
    told = site.call(tenant, "PUT", path, json=body)["questions"]
    pages = [f"/b/{tenant.slug}?service={service_id}&date={day(later)}" for later in (0, 90)]
    with site.browser() as customer:
        joined = customer.submit(customer.get(pages[1]), f"/b/{tenant.slug}/waitlist", CUSTOMER)
        link = joined.url.path
        (entry,) = site.call(tenant, "GET", "/v1/waitlist")["items"]
        slot = {"starts_at": slots(customer.get(pages[0]))[0]}
        site.call(tenant, "POST", f"/v1/waitlist/{entry['id']}/offer", json=slot)

        def place() -> dict[str, Any]:
            found: dict[str, Any] = site.call(tenant, "GET", f"/v1/public{link}")
            return found

        until(lambda: place()["questions"], "booking knows the questions")
        assert place()["questions"] == told, "as the service itself tells them"
        dog, length = (f"question-{item['id']}" for item in told)
        offered = customer.get(link)
        missing = customer.submit(offered, f"{link}/accept", {length: "long"})
        assert missing.status_code == 422
        assert f'id="{dog}-fault">This is needed.' in missing.text, missing.text
        assert '<option value="long" selected>long</option>' in missing.text
        wrong = customer.submit(missing, f"{link}/accept", {dog: "Rex", length: "medium"})
        assert f'id="{length}-fault">This is none of the choices.' in wrong.text, wrong.text
        assert 'value="Rex"' in wrong.text
        assert site.appointments(tenant) == []
        taken = customer.submit(wrong, f"{link}/accept", {dog: "Rex", length: "long"})
        assert "You are booked" in taken.text, taken.text
    (booked,) = site.call(tenant, "GET", "/v1/appointments")["items"]
    assert [(item["label"], item["answer"]) for item in booked["answers"]] == [
        ("Which dog?", "Rex"),
        ("Length", "long"),
    ]
