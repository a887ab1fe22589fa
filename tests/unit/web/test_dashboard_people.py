"""The dashboard's pages of people: staff with their hours and special dates, and who can sign in."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest

from support import web_samples as samples
from support.web_site import Browser, Script, hidden_fields

pytestmark = pytest.mark.usefixtures("signed_in")
LISBON = ZoneInfo(samples.ZONE)
TODAY = dt.datetime.now(LISBON).date()
MEMBER = f"/dashboard/staff/{samples.ADA}"


async def test_hours_are_shown_and_saved_with_the_version_read(gateway: Script, browser: Browser) -> None:
    route = f"PUT /v1/staff/{samples.ADA}/hours"
    gateway.on(route, samples.member())
    page = await browser.get(MEMBER)
    assert 'name="opens-0-0" value="09:00"' in page.text
    assert 'name="closes-4-1" value="17:00"' in page.text
    hours = {"opens-2-0": "08:00", "closes-2-0": "12:30", "opens-6-0": "20:00", "closes-6-0": "00:00"}
    answer = await browser.submit(MEMBER, f"{MEMBER}/hours", hours)
    assert answer.headers["location"] == MEMBER
    (asked,) = gateway.asked(route)
    assert asked.headers["if-match"] == '"v4"'
    assert asked.body == {
        "weekly_hours": [
            {"weekday": 2, "opens": "08:00", "closes": "12:30"},
            {"weekday": 6, "opens": "20:00", "closes": "00:00"},
        ]
    }


async def test_half_a_stretch_is_said_at_its_day(gateway: Script, browser: Browser) -> None:
    answer = await browser.submit(MEMBER, f"{MEMBER}/hours", {"opens-2-0": "08:00"})
    assert answer.status_code == 422
    assert 'id="day-2-fault">Both times are needed.' in answer.text
    assert 'name="opens-2-0" value="08:00"' in answer.text
    marked = re.findall(r'<input [^>]*aria-invalid="true" aria-describedby="day-2-fault">', answer.text)
    assert len(marked) == answer.text.count('aria-invalid="true"') == 4


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            "Value error, weekday 1: 18:00–17:00 ends before it begins",
            'id="day-1-fault">18:00–17:00 ends before it begins.',
        ),
        (
            "Value error, weekday 6: the interval that opens at 16:00 overlaps the one before it",
            'id="day-6-fault">The interval that opens at 16:00 overlaps the one before it.',
        ),
        ("List should have at most 70 items", "<p>List should have at most 70 items.</p>"),
    ],
)
async def test_hours_that_cannot_stand_are_said_at_their_day(
    gateway: Script, browser: Browser, fault: str, words: str
) -> None:
    gateway.refuse(f"PUT /v1/staff/{samples.ADA}/hours", 422, "invalid", "…", weekly_hours=fault)
    answer = await browser.submit(MEMBER, f"{MEMBER}/hours", {"opens-1-0": "18:00", "closes-1-0": "17:00"})
    assert answer.status_code == 422
    assert words in answer.text
    assert "weekday" not in answer.text


async def test_what_somebody_else_changed_is_not_overwritten(gateway: Script, browser: Browser) -> None:
    gateway.refuse(f"PUT /v1/staff/{samples.ADA}/hours", 412, "precondition-failed", "It was changed.")
    gateway.on(f"GET /v1/staff/{samples.ADA}/hours", {"version": 5})
    answer = await browser.submit(MEMBER, f"{MEMBER}/hours", {"opens-1-0": "06:45", "closes-1-0": "17:00"})
    assert answer.status_code == 412
    assert "Somebody changed it while you were typing" in answer.text
    assert f'href="{MEMBER}" target="_blank"' in answer.text
    assert 'name="opens-1-0" value="06:45"' in answer.text
    assert hidden_fields(answer.text, f"{MEMBER}/hours")["version"] == "5", "so that it can be sent again"


@pytest.mark.parametrize(
    ("action", "wrong", "right", "route"),
    [
        (MEMBER, {"name": ""}, {"name": "Ada"}, f"PATCH /v1/staff/{samples.ADA}"),
        (
            f"{MEMBER}/hours",
            {"opens-2-0": "08:00"},
            {"opens-2-0": "08:00", "closes-2-0": "09:00"},
            f"PUT /v1/staff/{samples.ADA}/hours",
        ),
    ],
)
async def test_nor_is_it_by_a_form_that_was_refused_first(
    gateway: Script,
    browser: Browser,
    action: str,
    wrong: dict[str, str],
    right: dict[str, str],
    route: str,
) -> None:
    page = (await browser.get(MEMBER)).text
    gateway.on(f"GET /v1/staff/{samples.ADA}", samples.member(version=5))  # somebody else's change
    gateway.on(route, samples.member(version=6))
    refused = await browser.post(action, data=hidden_fields(page, action) | wrong)
    assert refused.status_code == 422
    await browser.post(action, data=hidden_fields(refused.text, action) | right)
    assert gateway.asked(route)[0].headers["if-match"] == '"v4"', "so that the API refuses it"
    others = {MEMBER, f"{MEMBER}/hours"} - {action}
    assert [hidden_fields(refused.text, other)["version"] for other in others] == ["5"]


async def test_a_day_off_is_set_and_taken_back(gateway: Script, browser: Browser) -> None:
    gateway.on(f"PUT /v1/staff/{samples.ADA}/exceptions/2030-05-01", samples.member())
    gateway.on(f"DELETE /v1/staff/{samples.ADA}/exceptions/2030-12-25", None, 204)
    await browser.submit(MEMBER, f"{MEMBER}/exceptions", {"date": "2030-05-01", "opens": "", "closes": ""})
    (asked,) = gateway.asked(f"PUT /v1/staff/{samples.ADA}/exceptions/2030-05-01")
    assert asked.body == {"intervals": []}
    answer = await browser.submit(MEMBER, f"{MEMBER}/exceptions/2030-12-25/remove")
    assert answer.status_code == 303


async def test_what_the_api_says_of_a_date_stands_at_it(gateway: Script, browser: Browser) -> None:
    fault = {"pointer": "path:day", "detail": "lies in the past"}
    problem = {"title": "Some fields are wrong", "detail": "lies in the past", "errors": [fault]}
    gateway.on(f"PUT /v1/staff/{samples.ADA}/exceptions/2020-05-01", problem, 422)
    answer = await browser.submit(MEMBER, f"{MEMBER}/exceptions", {"date": "2020-05-01"})
    assert answer.status_code == 422
    assert 'id="date-fault">This lies in the past.' in answer.text


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("tenant-suspended", "Riverside Barbers is suspended."),
        ("forbidden", "Your role does not let you do this."),
    ],
)
async def test_what_is_refused_for_another_reason_than_the_role_says_which(
    gateway: Script, browser: Browser, slug: str, words: str
) -> None:
    path = f"exceptions/{samples.member()['exceptions'][0]['date']}"
    gateway.refuse(f"DELETE /v1/staff/{samples.ADA}/{path}", 403, slug, "Riverside Barbers is suspended.")
    answer = await browser.submit(MEMBER, f"{MEMBER}/{path}/remove")
    assert answer.status_code == 403
    assert words in answer.text


@pytest.mark.parametrize("date", ["../../business", "tomorrow", "2030-02-30"])
async def test_a_date_that_is_none_never_reaches_the_api(
    gateway: Script, browser: Browser, date: str
) -> None:
    answer = await browser.submit(MEMBER, f"{MEMBER}/exceptions", {"date": date})
    assert answer.status_code == 422
    assert 'id="date-fault"' in answer.text
    assert not [call for call in gateway.calls if call.method == "PUT"]


async def test_a_member_is_added_with_one_key(gateway: Script, browser: Browser) -> None:
    gateway.on("POST /v1/staff", samples.member(), 201)
    fields = {"name": "Ada", "email": "", "office_hours": "yes"}
    answer = await browser.submit("/dashboard/staff", "/dashboard/staff", fields)
    assert answer.headers["location"] == MEMBER
    (asked,) = gateway.asked("POST /v1/staff")
    assert asked.headers["idempotency-key"]
    assert [item["weekday"] for item in asked.body["weekly_hours"]] == [0, 1, 2, 3, 4]


async def test_a_quota_is_said_where_the_member_was_added(gateway: Script, browser: Browser) -> None:
    gateway.refuse("POST /v1/staff", 403, "quota-exceeded", "The plan has room for 3 staff.")
    answer = await browser.submit("/dashboard/staff", "/dashboard/staff", {"name": "Ada"})
    assert answer.status_code == 403
    assert "The plan has room for 3 staff." in answer.text
    assert 'value="Ada"' in answer.text


def _members(gateway: Script) -> None:
    owner = samples.colleague(id=samples.ADA, name="Ada <A>", role="owner", signed_in_at=None)
    gateway.on("GET /v1/members", samples.page(samples.colleague(), owner))
    gateway.on("GET /v1/invitations", samples.page())


GRACES = f"/v1/members/{samples.GRACE}"


async def test_the_owner_sees_who_can_sign_in_and_changes_all_but_the_only_owner(
    gateway: Script, browser: Browser
) -> None:
    _members(gateway)
    page = await browser.get("/dashboard/members")
    assert page.status_code == 200
    assert "Ada &lt;A&gt;" in page.text
    assert "2030-07-01 13:00" in page.text, "the business's time"
    assert f"/dashboard/members/{samples.GRACE}/role/owner" in page.text
    assert f"/dashboard/members/{samples.ADA}/" not in page.text
    assert "the only owner" in page.text


async def test_a_member_gets_another_role(gateway: Script, browser: Browser) -> None:
    _members(gateway)
    gateway.on(f"PATCH {GRACES}", samples.colleague(role="owner"))
    answer = await browser.submit("/dashboard/members", f"/dashboard/members/{samples.GRACE}/role/owner")
    assert answer.headers["location"] == "/dashboard/members"
    assert gateway.asked(f"PATCH {GRACES}")[0].body == {"role": "owner"}


async def test_a_members_access_is_taken_away(gateway: Script, browser: Browser) -> None:
    _members(gateway)
    gateway.on(f"DELETE {GRACES}", None, 204)
    answer = await browser.submit("/dashboard/members", f"/dashboard/members/{samples.GRACE}/remove")
    assert answer.headers["location"] == "/dashboard/members"
    assert len(gateway.asked(f"DELETE {GRACES}")) == 1
    assert "They are signed out" in (await browser.get("/dashboard/members")).text


@pytest.mark.parametrize("form", ["remove", "role/owner"])
async def test_why_a_member_stays_is_told(gateway: Script, browser: Browser, form: str) -> None:
    _members(gateway)
    for method in ("DELETE", "PATCH"):
        gateway.refuse(f"{method} {GRACES}", 409, "conflict", "This is the only owner.")
    await browser.submit("/dashboard/members", f"/dashboard/members/{samples.GRACE}/{form}")
    assert "This is the only owner." in (await browser.get("/dashboard/members")).text


async def test_staff_have_no_page_of_members(gateway: Script, browser: Browser) -> None:
    gateway.refuse("GET /v1/members", 403, "forbidden", "Your role is staff; this needs owner.")
    answer = await browser.get("/dashboard/members")
    assert answer.status_code == 403
    assert "This is not for you" in answer.text
