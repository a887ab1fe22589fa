"""Rooms and equipment: their list, and a page of each with its hours."""

import datetime as dt
from typing import Any

import pytest

from contracts.business import Hours, HoursException, Interval, ResourceNeed
from support import web_samples as samples
from support.web_site import Browser, Script

pytestmark = pytest.mark.usefixtures("signed_in")
ROOMS = "/dashboard/rooms"
ROOM = f"{ROOMS}/{samples.ROOM}"
API = f"/v1/resources/{samples.ROOM}"
DATES = [
    HoursException(date=dt.date(2030, 12, 24), intervals=[Interval(opens=dt.time(9), closes=dt.time(12))]),
    HoursException(date=dt.date(2030, 12, 25), intervals=[]),
]
MORNINGS = [Hours(weekday=day, opens=dt.time(9), closes=dt.time(12)) for day in range(2)]


@pytest.fixture(autouse=True)
def _room(gateway: Script) -> None:
    gateway.on(f"GET {API}", samples.room())


async def test_the_list_says_how_many_there_are_and_when(gateway: Script, browser: Browser) -> None:
    lists = [
        samples.page(samples.room(name="Sauna <b>"), cursor="c1"),
        samples.page(
            samples.room(id=samples.CHAIRS, capacity=3, weekly_hours=MORNINGS),
            samples.room(name="Attic", weekly_hours=[]),
        ),
    ]
    gateway.on("GET /v1/resources", lambda call: (200, lists.pop(0)))
    page = (await browser.get(ROOMS)).text
    assert gateway.asked("GET /v1/resources")[1].query["cursor"] == "c1"
    assert "Sauna &lt;b&gt;" in page
    assert f'href="{ROOMS}/{samples.CHAIRS}"' in page
    assert "<span>one</span><span>at any time</span>" in page
    assert "<span>3 of them</span><span>2 days a week</span>" in page
    assert "<span>one</span><span>closed</span>" in page


async def test_an_empty_list_says_what_to_do(gateway: Script, browser: Browser) -> None:
    gateway.on("GET /v1/resources", samples.page())
    assert "None yet. Add the first" in (await browser.get(ROOMS)).text


async def test_a_room_is_added_with_one_key(gateway: Script, browser: Browser) -> None:
    gateway.on("POST /v1/resources", samples.room(), 201)
    answer = await browser.submit(ROOMS, ROOMS, {"name": "Massage room", "capacity": "2"})
    assert answer.headers["location"] == ROOMS
    (asked,) = gateway.asked("POST /v1/resources")
    assert asked.headers["idempotency-key"]
    assert asked.body == {"name": "Massage room", "capacity": 2}
    assert "Massage room is added." in (await browser.get(ROOMS)).text


@pytest.mark.parametrize(
    ("typed", "faults"),
    [
        (
            {"name": "", "capacity": "many"},
            {"name": "This is needed.", "capacity": "This must be a whole number."},
        ),
        ({"name": "Sauna", "capacity": ""}, {"capacity": "This must be a whole number."}),
        ({"name": "Sauna", "capacity": "0"}, {"capacity": "This must be at least 1."}),
    ],
)
@pytest.mark.parametrize("page", [ROOMS, ROOM])
async def test_what_is_wrong_stands_at_its_field(
    gateway: Script, browser: Browser, page: str, typed: dict[str, str], faults: dict[str, str]
) -> None:
    said = "Input should be greater than or equal to 1"
    gateway.refuse("POST /v1/resources", 422, "invalid", "…", capacity=said)
    gateway.refuse(f"PATCH {API}", 422, "invalid", "…", capacity=said)
    answer = await browser.submit(page, page, typed)
    assert answer.status_code == 422
    for name, words in faults.items():
        assert f'id="{name}-fault">{words}' in answer.text
    assert all(f'value="{value}"' in answer.text for value in typed.values())


async def test_why_nothing_can_be_added_is_said(gateway: Script, browser: Browser) -> None:
    gateway.refuse("POST /v1/resources", 403, "tenant-suspended", "Riverside Barbers is suspended.")
    answer = await browser.submit(ROOMS, ROOMS, {"name": "Sauna", "capacity": "1"})
    assert answer.status_code == 403
    assert "Riverside Barbers is suspended." in answer.text
    assert 'value="Sauna"' in answer.text


async def test_a_room_is_renamed_with_the_version_read(gateway: Script, browser: Browser) -> None:
    gateway.on(f"PATCH {API}", samples.room())
    answer = await browser.submit(ROOM, ROOM, {"name": "Blue room", "capacity": "4"})
    assert answer.headers["location"] == ROOM
    (asked,) = gateway.asked(f"PATCH {API}")
    assert asked.headers["if-match"] == '"v2"'
    assert asked.body == {"name": "Blue room", "capacity": 4}, "its hours stay"


async def test_a_room_says_which_services_need_it(gateway: Script, browser: Browser) -> None:
    assert "No service needs it yet" in (await browser.get(ROOM)).text
    need = ResourceNeed(resource_ids=[samples.CHAIRS, samples.ROOM], count=1)
    gateway.on(
        "GET /v1/services",
        samples.page(samples.service(name="Hot <stones>", needs=[need]), samples.service(name="Shave")),
    )
    page = (await browser.get(ROOM)).text
    assert f'Needed by <a href="/dashboard/services/{samples.SERVICE}">Hot &lt;stones&gt;</a>.' in page
    assert "Shave" not in page


async def test_hours_of_a_room_are_shown_and_saved(gateway: Script, browser: Browser) -> None:
    gateway.on(f"GET {API}", samples.room(weekly_hours=MORNINGS))
    gateway.on(f"PATCH {API}", samples.room())
    page = (await browser.get(ROOM)).text
    assert 'name="opens-1-0" value="09:00"' in page
    assert "Times in Europe/Lisbon" in page
    hours = {"opens-2-0": "08:00", "closes-2-0": "12:30", "opens-2-1": "20:00", "closes-2-1": "00:00"}
    answer = await browser.submit(ROOM, f"{ROOM}/hours", hours)
    assert answer.headers["location"] == ROOM
    (asked,) = gateway.asked(f"PATCH {API}")
    assert asked.headers["if-match"] == '"v2"'
    assert asked.body == {
        "weekly_hours": [
            {"weekday": 2, "opens": "08:00", "closes": "12:30"},
            {"weekday": 2, "opens": "20:00", "closes": "00:00"},
        ]
    }


async def test_a_room_without_hours_can_be_used_at_any_time(gateway: Script, browser: Browser) -> None:
    gateway.on(f"PATCH {API}", samples.room())
    await browser.submit(ROOM, f"{ROOM}/hours", {"opens-2-0": "", "closes-2-0": ""})
    assert gateway.asked(f"PATCH {API}")[0].body == {"weekly_hours": None}
    assert "It can be used at any time now." in (await browser.get(ROOM)).text


@pytest.mark.parametrize(("hours", "warned"), [([], True), (None, False), (MORNINGS, False)])
async def test_a_room_that_is_never_open_says_so(
    gateway: Script, browser: Browser, hours: list[Any] | None, *, warned: bool
) -> None:
    gateway.on(f"GET {API}", samples.room(weekly_hours=hours))
    assert ("It is closed at all times." in (await browser.get(ROOM)).text) is warned


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Value error, weekday 1: 18:00–17:00 ends before it begins", 'id="day-1-fault">18:00–17:00 ends'),
        ("List should have at most 70 items", "<p>List should have at most 70 items.</p>"),
    ],
)
async def test_hours_that_cannot_stand_are_said_at_their_day(
    gateway: Script, browser: Browser, said: str, words: str
) -> None:
    gateway.refuse(f"PATCH {API}", 422, "invalid", "…", weekly_hours=said)
    answer = await browser.submit(ROOM, f"{ROOM}/hours", {"opens-1-0": "18:00", "closes-1-0": "17:00"})
    assert answer.status_code == 422
    assert words in answer.text
    assert 'name="opens-1-0" value="18:00"' in answer.text


async def test_half_a_stretch_is_said_at_its_day(gateway: Script, browser: Browser) -> None:
    answer = await browser.submit(ROOM, f"{ROOM}/hours", {"opens-2-0": "08:00"})
    assert answer.status_code == 422
    assert 'id="day-2-fault">Both times are needed.' in answer.text
    assert 'name="opens-2-0" value="08:00"' in answer.text
    assert gateway.asked(f"PATCH {API}") == []


@pytest.mark.parametrize(
    ("typed", "intervals"),
    [
        ({"date": "2030-12-26"}, []),
        (
            {"date": "2030-12-26", "opens": "10:00", "closes": "11:00"},
            [{"opens": "10:00", "closes": "11:00"}],
        ),
        (
            {"date": "2030-12-24", "opens": "10:00", "closes": "00:00"},
            [{"opens": "10:00", "closes": "00:00"}],
        ),
    ],
)
async def test_a_special_date_joins_the_others_or_replaces_its_own(
    gateway: Script, browser: Browser, typed: dict[str, str], intervals: list[dict[str, str]]
) -> None:
    kept = samples.room(exceptions=DATES)
    gateway.on(f"GET {API}", kept)
    gateway.on(f"PATCH {API}", kept)
    page = (await browser.get(ROOM)).text
    assert "<td>2030-12-24</td><td>09:00–12:00 </td>" in page
    assert "<td>2030-12-25</td><td>closed</td>" in page
    answer = await browser.submit(ROOM, f"{ROOM}/exceptions", typed)
    assert answer.headers["location"] == ROOM
    (asked,) = gateway.asked(f"PATCH {API}")
    assert asked.headers["if-match"] == '"v2"'
    others = [item for item in kept["exceptions"] if item["date"] != typed["date"]]
    assert asked.body == {"exceptions": [{"date": typed["date"], "intervals": intervals}, *others]}


async def test_a_special_date_is_taken_back(gateway: Script, browser: Browser) -> None:
    kept = samples.room(exceptions=DATES)
    gateway.on(f"GET {API}", kept)
    gateway.on(f"PATCH {API}", kept)
    answer = await browser.submit(ROOM, f"{ROOM}/exceptions/2030-12-25/remove")
    assert answer.headers["location"] == ROOM
    (asked,) = gateway.asked(f"PATCH {API}")
    assert asked.headers["if-match"] == '"v2"'
    assert asked.body == {"exceptions": kept["exceptions"][:1]}


@pytest.mark.parametrize(
    ("typed", "said", "fault"),
    [
        ({"date": "soon"}, "", 'id="date-fault">This must be a date.'),
        ({"date": "2030-12-26", "opens": "10:00"}, "", 'id="opens-fault">Both times are needed'),
        (
            {"date": "2030-12-26", "opens": "10:00", "closes": "09:00"},
            "Value error, 10:00–09:00 ends before it begins",
            'id="opens-fault">10:00–09:00 ends before it begins.',
        ),
        (
            {"date": "2130-12-26"},
            "Input should be less than or equal to 2099-12-31",
            'id="date-fault">This must be',
        ),
    ],
)
async def test_a_special_date_that_cannot_stand_says_so(
    gateway: Script, browser: Browser, typed: dict[str, str], said: str, fault: str
) -> None:
    place = "exceptions__0__date" if "Input" in said else "exceptions__0__intervals"
    gateway.refuse(f"PATCH {API}", 422, "invalid", "…", **{place: said})
    answer = await browser.submit(ROOM, f"{ROOM}/exceptions", typed)
    assert answer.status_code == 422
    assert fault in answer.text
    assert 'name="opens" type="time"' in answer.text
    assert all(f'value="{value}"' in answer.text for value in typed.values())
    assert bool(gateway.asked(f"PATCH {API}")) is bool(said)


@pytest.mark.parametrize("part", ["", "/hours", "/exceptions"])
async def test_what_somebody_else_changed_is_not_overwritten(
    gateway: Script, browser: Browser, part: str
) -> None:
    gateway.on(f"GET {API}", samples.room(exceptions=DATES))
    gateway.refuse(f"PATCH {API}", 412, "precondition-failed", "It was changed.")
    answer = await browser.submit(
        ROOM, f"{ROOM}{part}", {"name": "Sauna", "capacity": "1", "date": "2030-05-01"}
    )
    assert "Somebody changed it while you were typing" in answer.text
    pressed = await browser.submit(ROOM, f"{ROOM}/exceptions/2030-12-25/remove")
    assert pressed.headers["location"] == ROOM
    assert "Somebody changed it meanwhile" in (await browser.get(ROOM)).text


async def test_a_room_is_removed(gateway: Script, browser: Browser) -> None:
    gateway.on(f"DELETE {API}", None, 204)
    answer = await browser.submit(ROOM, f"{ROOM}/remove")
    assert answer.headers["location"] == ROOMS
    assert len(gateway.asked(f"DELETE {API}")) == 1
    assert "Removed." in (await browser.get(ROOMS)).text


async def test_a_room_that_a_service_needs_stays_and_says_which(gateway: Script, browser: Browser) -> None:
    gateway.refuse(f"DELETE {API}", 409, "conflict", "It is needed by Shave. Take it off there first.")
    answer = await browser.submit(ROOM, f"{ROOM}/remove")
    assert answer.headers["location"] == ROOM
    assert "It is needed by Shave. Take it off there first." in (await browser.get(ROOM)).text


@pytest.mark.usefixtures("as_staff")
async def test_staff_see_rooms_and_their_hours_and_no_forms_to_change_them(browser: Browser) -> None:
    page = (await browser.get(ROOMS)).text
    assert "Massage room" in page
    assert f'action="{ROOMS}"' not in page
    page = (await browser.get(ROOM)).text
    assert "Weekly hours" in page
    assert "Save" not in page
    assert "Special dates" in page
    assert not [part for part in ("", "/exceptions", "/remove") if f'action="{ROOM}{part}"' in page]
