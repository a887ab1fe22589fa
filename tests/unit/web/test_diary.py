"""One appointment on the dashboard: moving it, and the notes on it."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from support import web_samples as samples
from support.web_site import Browser, Script, hidden_fields

pytestmark = pytest.mark.usefixtures("signed_in")
LISBON = ZoneInfo(samples.ZONE)
NOON = dt.datetime.combine(dt.datetime.now(LISBON).date(), dt.time(12), LISBON)
PAGE = f"/dashboard/appointments/{samples.APPOINTMENT}"
READ = f"GET /v1/appointments/{samples.APPOINTMENT}"
EDIT = f"PATCH /v1/appointments/{samples.APPOINTMENT}"


async def test_the_day_leads_to_each_appointment_and_cancels_by_two_presses(
    gateway: Script, browser: Browser
) -> None:
    page = (await browser.get("/dashboard")).text
    assert f'href="{PAGE}"' in page
    assert page.index("<details") < page.index(f'action="{PAGE}/cancel"') < page.index("</details>")
    for status in ("cancelled", "completed", "no-show"):
        gateway.on("GET /v1/appointments", samples.page(samples.appointment(NOON, status=status)))
        page = (await browser.get("/dashboard")).text
        assert f'href="{PAGE}"' in page
        assert "/cancel" not in page


async def test_notes_are_saved_with_the_version_read(gateway: Script, browser: Browser) -> None:
    gateway.on(READ, samples.appointment(NOON, version=3, notes="<b>itten"))
    gateway.on(EDIT, samples.appointment(NOON))
    assert "&lt;b&gt;itten</textarea>" in (await browser.get(PAGE)).text
    sent = await browser.submit(PAGE, f"{PAGE}/notes", {"notes": ""})
    assert (sent.status_code, sent.headers["location"]) == (303, PAGE)
    (asked,) = gateway.asked(EDIT)
    assert (asked.headers["if-match"], asked.body) == ('"v3"', {"notes": ""})


@pytest.mark.parametrize("staff", ["", str(samples.GRACE)])
async def test_an_appointment_is_moved_by_the_clock_of_the_business(
    gateway: Script, browser: Browser, staff: str
) -> None:
    gateway.on(READ, samples.appointment(NOON, version=3))
    gateway.on(EDIT, samples.appointment(NOON))
    assert f'value="{NOON.date()}T12:00"' in (await browser.get(PAGE)).text
    await browser.submit(PAGE, f"{PAGE}/move", {"starts_at": "2027-07-01T09:30", "staff": staff})
    (asked,) = gateway.asked(EDIT)
    assert asked.headers["if-match"] == '"v3"'
    assert asked.body == {"starts_at": "2027-07-01T09:30:00+01:00"} | ({"staff_id": staff} if staff else {})


@pytest.mark.parametrize(
    ("status", "pointer", "detail", "words"),
    [
        (422, "starts_at", "lies in the past", 'id="starts_at-fault">This time lies in the past.'),
        (422, "staff_id", "does not perform it", 'id="staff-fault">This person does not perform it.'),
        (409, "", "Somebody has it.", "<p>Somebody has it.</p>"),
    ],
)
async def test_why_it_cannot_be_moved_is_said_and_what_was_typed_is_kept(
    gateway: Script, browser: Browser, status: int, pointer: str, detail: str, words: str
) -> None:
    gateway.on(READ, samples.appointment(NOON, version=3))
    gateway.refuse(EDIT, status, "x", detail, **({pointer: detail} if pointer else {}))
    typed = {"starts_at": "2027-07-01T09:30", "staff": str(samples.GRACE)}
    refused = await browser.submit(PAGE, f"{PAGE}/move", typed)
    assert refused.status_code == status
    assert words in refused.text
    assert 'value="2027-07-01T09:30"' in refused.text
    assert hidden_fields(refused.text, f"{PAGE}/move")["version"] == "3"


@pytest.mark.parametrize("typed", ["", "tomorrow", "0001-01-01T00:00"])
async def test_a_time_that_is_none_never_reaches_the_api(
    gateway: Script, browser: Browser, typed: str
) -> None:
    gateway.on(READ, samples.appointment(NOON))
    refused = await browser.submit(PAGE, f"{PAGE}/move", {"starts_at": typed})
    assert refused.status_code == 422
    assert 'id="starts_at-fault">This must be a date and a time.' in refused.text
    assert gateway.asked(EDIT) == []


@pytest.mark.parametrize("form", ["move", "notes"])
async def test_what_somebody_else_changed_is_not_overwritten(
    gateway: Script, browser: Browser, form: str
) -> None:
    gateway.on(READ, samples.appointment(NOON, version=8))
    gateway.refuse(EDIT, 412, "precondition-failed", "It was changed.")
    typed = {"starts_at": "2027-07-01T09:30", "notes": "Brings a dog"}
    answer = await browser.submit(PAGE, f"{PAGE}/{form}", typed | {"version": "7"})
    assert "Somebody changed it" in answer.text
    assert {"move": 'value="2027-07-01T09:30"', "notes": "Brings a dog</textarea>"}[form] in answer.text
    assert hidden_fields(answer.text, f"{PAGE}/{form}")["version"] == "8"


async def test_what_is_over_or_no_longer_offered_can_be_noted_and_not_moved(
    gateway: Script, browser: Browser
) -> None:
    for changes in ({"status": "completed"}, {"service_id": samples.HOLD}):
        gateway.on(READ, samples.appointment(NOON, **changes))
        page = (await browser.get(PAGE)).text
        assert f"{PAGE}/notes" in page
        assert f"{PAGE}/move" not in page


async def test_an_unknown_appointment_is_a_page(browser: Browser) -> None:
    assert (await browser.get(PAGE)).status_code == 404
