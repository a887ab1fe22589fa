"""The history's pages: what is asked of which trail, and how it is shown."""

import datetime as dt

import pytest

from support import web_samples as samples
from support.web_samples_customers import customer, entry
from support.web_site import Browser, Script

pytestmark = pytest.mark.usefixtures("signed_in")
PAGE = "/dashboard/history"
TRAILS = {
    "appointments": "GET /v1/audit",
    "business": "GET /v1/business/audit",
    "messages": "GET /v1/messages/audit",
}
MOVED = {
    "starts_at": {"old": "2026-07-01T11:00:00Z", "new": "2026-07-02T08:30:00Z"},
    "ends_at": {"old": "2026-07-01T11:30:00Z", "new": "2026-07-02T09:00:00Z"},
}
ARROW = '<span aria-hidden="true">→</span><span class="visually-hidden"> became </span>'


def plain(page: str) -> str:
    """Its text with single blanks."""
    return " ".join(page.split())


@pytest.fixture(autouse=True)
def trails(gateway: Script) -> None:
    for route in TRAILS.values():
        gateway.on(route, samples.page())
    moved = entry("appointment.rescheduled", "appointment", samples.APPOINTMENT, MOVED)
    gateway.on(TRAILS["appointments"], samples.page(moved))
    gateway.on("GET /v1/resources", samples.page())
    gateway.on("GET /v1/members", samples.page(samples.colleague(id=samples.ADA, name="Ada <A>")))


async def test_an_entry_says_when_who_and_what(gateway: Script, browser: Browser) -> None:
    page = plain((await browser.get(PAGE)).text)
    assert gateway.asked(TRAILS["appointments"])[0].query == {"limit": "50"}
    assert '1 Jul 2026</div><time datetime="2026-07-01T09:30:00+01:00">09:30</time>' in page
    link = f'<a href="/dashboard/appointments/{samples.APPOINTMENT}">an appointment</a>'
    assert f"Ada &lt;A&gt; moved {link}" in page
    before, after = "Wed 1 Jul 2026, 12:00", "Thu 2 Jul 2026, 09:30"
    assert f'Starts: <span class="wrap">{before}</span> {ARROW} <span class="wrap">{after}</span>' in page
    assert "11:30" not in page


@pytest.mark.parametrize(("part", "route"), TRAILS.items())
async def test_each_part_is_asked_for_where_it_is(
    gateway: Script, browser: Browser, part: str, route: str
) -> None:
    page = (await browser.get(f"{PAGE}?part={part}")).text
    assert [len(gateway.asked(each)) for each in TRAILS.values()] == [each == part for each in TRAILS]
    assert f'href="{PAGE}?part={part}" aria-current="true"' in page
    assert f'<input type="hidden" name="part" value="{part}">' in page


async def test_a_part_that_is_none_is_the_first(gateway: Script, browser: Browser) -> None:
    await browser.get(f"{PAGE}?part=../v1/members")
    assert len(gateway.asked(TRAILS["appointments"])) == 1


async def test_days_are_the_businesss_and_pages_keep_what_was_asked_for(
    gateway: Script, browser: Browser
) -> None:
    gateway.on(TRAILS["business"], samples.page(cursor="next+page"))
    asked = f"part=business&first=2030-03-30&last=2030-03-31&entity={samples.ADA}"
    page = (await browser.get(f"{PAGE}?{asked}")).text
    assert gateway.asked(TRAILS["business"])[0].query == {
        "from": "2030-03-30T00:00:00+00:00",
        "to": "2030-03-31T23:00:00+00:00",
        "entity": str(samples.ADA),
        "limit": "50",
    }
    following = f"{asked}&cursor=next%2Bpage".replace("&", "&amp;")
    assert f'rel="next" href="{PAGE}?{following}"' in page
    await browser.get(f"{PAGE}?{asked}&cursor=next%2Bpage")
    assert gateway.asked(TRAILS["business"])[1].query["cursor"] == "next+page"
    assert f'<input type="hidden" name="entity" value="{samples.ADA}">' in page
    assert f'<a href="{PAGE}?part=business">Show everything</a>' in page


async def test_one_thing_can_be_followed(gateway: Script, browser: Browser) -> None:
    follow = f'href="{PAGE}?part=appointments&amp;entity={samples.APPOINTMENT}"'
    assert follow in (await browser.get(PAGE)).text
    assert follow not in (await browser.get(f"{PAGE}?entity={samples.APPOINTMENT}")).text
    gateway.on(TRAILS["business"], samples.page(entry("holidays.changed", "holidays", samples.TENANT)))
    assert str(samples.TENANT) not in (await browser.get(f"{PAGE}?part=business")).text


async def test_an_appointment_and_a_customer_lead_to_their_history(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET /v1/appointments/{samples.APPOINTMENT}", samples.appointment(dt.datetime.now(dt.UTC)))
    gateway.on(f"GET /v1/customers/{samples.CUSTOMER}", customer())
    for page, entity in (("appointments", samples.APPOINTMENT), ("customers", samples.CUSTOMER)):
        address = f"{PAGE}?entity={entity}"
        assert f'href="{address}"' in (await browser.get(f"/dashboard/{page}/{entity}")).text


async def test_a_customers_doing_leads_to_the_customer(gateway: Script, browser: Browser) -> None:
    by = ("customer", samples.CUSTOMER)
    cancelled = entry("appointment.cancelled", "appointment", samples.APPOINTMENT, actor=by)
    gateway.on(TRAILS["appointments"], samples.page(cancelled))
    page = (await browser.get(PAGE)).text
    assert f'<a href="/dashboard/customers/{samples.CUSTOMER}">A customer</a> cancelled' in page


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_it_is_shown_without_names_where_members_cannot_be_asked_for(
    gateway: Script, browser: Browser, status: int
) -> None:
    gateway.refuse("GET /v1/members", status, "x", "…")
    answer = await browser.get(PAGE)
    assert answer.status_code == 200
    assert "A member moved" in plain(answer.text)


async def test_what_is_hidden_is_said_to_have_changed(gateway: Script, browser: Browser) -> None:
    hidden = {"email": {"hidden": True}}
    changed = entry("customer.changed", "customer", samples.CUSTOMER, hidden)
    gateway.on(TRAILS["appointments"], samples.page(changed))
    assert 'E-mail: <span class="quiet">changed; what it says is not kept here' in plain(
        (await browser.get(PAGE)).text
    )


async def test_what_is_long_is_folded(gateway: Script, browser: Browser) -> None:
    fields = {name: {"old": None, "new": "<b>bold"} for name in ("name", "a", "b", "c", "d")}
    long = {"description": {"old": "x" * 161, "new": None}}
    gateway.on(
        TRAILS["business"],
        samples.page(
            entry("service.added", "service", samples.SERVICE, fields),
            entry("service.changed", "service", samples.SERVICE, long),
            entry("service.removed", "service", samples.SERVICE, {name: {"old": "was"} for name in fields}),
        ),
    )
    page = plain((await browser.get(f"{PAGE}?part=business")).text)
    assert 'added <a href="/dashboard/services/' in page
    assert "&lt;b&gt;bold</a>" in page
    assert "<details><summary>What was set</summary>" in page
    assert f"<summary>{'x' * 99}…</summary>" in page
    assert f'<span class="wrap">{"x" * 161}</span></details> {ARROW} nothing' in page
    assert '<details><summary>How it was</summary><div>Name: <span class="wrap">was</span> </div>' in page


async def test_days_that_the_api_does_not_take_are_said_at_their_field(
    gateway: Script, browser: Browser
) -> None:
    fault = {"pointer": "?from", "detail": "Value error, must lie in the years 2000 to 2099"}
    gateway.on(TRAILS["appointments"], {"title": "No", "errors": [fault]}, 422)
    answer = await browser.get(f"{PAGE}?first=1999-01-01&last=soon")
    assert answer.status_code == 422
    assert 'id="first-fault">This must lie in the years 2000 to 2099.' in answer.text
    assert 'value="1999-01-01"' in answer.text
    assert "Nothing was changed" not in answer.text


async def test_nothing_is_said_to_be_nothing(gateway: Script, browser: Browser) -> None:
    assert "Nothing was changed yet." in (await browser.get(f"{PAGE}?part=messages")).text
    days = f"{PAGE}?part=messages&first=2030-01-01"
    assert "Nothing was changed in this time." in (await browser.get(days)).text


@pytest.mark.usefixtures("as_staff")
async def test_staff_have_no_history(gateway: Script, browser: Browser) -> None:
    gateway.refuse(TRAILS["appointments"], 403, "forbidden", "Your role is staff; this needs owner.")
    answer = await browser.get(PAGE)
    assert answer.status_code == 403
    assert "This is not for you" in answer.text
    gateway.on(f"GET /v1/appointments/{samples.APPOINTMENT}", samples.appointment(dt.datetime.now(dt.UTC)))
    assert PAGE not in (await browser.get(f"/dashboard/appointments/{samples.APPOINTMENT}")).text


async def test_what_is_nobodys_id_is_a_page(browser: Browser) -> None:
    assert (await browser.get(f"{PAGE}?entity=me")).status_code == 404
