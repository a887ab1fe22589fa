"""The HTTP side: what may be asked, by whom, and that nobody sees another business's figures."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from contracts.booking import AppointmentBooked
from contracts.platform import TenantChanged, TenantState
from integration.analytics.world import World, appointment
from servicekit.clock import utc_now
from servicekit.ids import new_id

DAY = "2026-03-02"


@pytest.fixture(scope="module")
def tenant(world: World) -> TenantChanged:
    return world.tenant()


def refused(answer: httpx.Response, status: int, slug: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert str(problem["type"]).endswith(f"/problems/{slug}")
    return problem


def test_the_answer_has_one_item_a_day_under_the_names_that_the_pages_read(
    world: World, tenant: TenantChanged
) -> None:
    answer = world.get(tenant.tenant_id, **{"from": "2026-02-27", "to": "2026-03-02"})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"items", "from", "to", "timezone", "subscription"}
    assert (body["from"], body["to"]) == ("2026-02-27", "2026-03-02")
    assert body["timezone"] == "Europe/Lisbon"
    assert [item["date"] for item in body["items"]] == [
        "2026-02-27",
        "2026-02-28",
        "2026-03-01",
        "2026-03-02",
    ]
    assert body["items"][0] == {
        "date": "2026-02-27",
        "booked": 0,
        "cancelled": 0,
        "completed": 0,
        "no_shows": 0,
        "unsettled": 0,
        "reminders_sent": 0,
        "reminders_failed": 0,
        "reminder_success_rate": None,
    }


def test_without_dates_it_is_the_last_thirty_days_of_the_business(world: World) -> None:
    """Of businesses whose dates differ, a day's hours apart."""
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        tenant = world.tenant(timezone=zone)
        before = datetime.now(ZoneInfo(zone)).date()
        body = world.get(tenant.tenant_id).json()
        after = datetime.now(ZoneInfo(zone)).date()
        assert body["to"] in {before.isoformat(), after.isoformat()}
        assert len(body["items"]) == 30
        assert body["items"][-1]["date"] == body["to"]


def test_with_one_date_the_other_follows(world: World, tenant: TenantChanged) -> None:
    body = world.get(tenant.tenant_id, to=DAY).json()
    assert (body["from"], len(body["items"])) == ("2026-02-01", 30)
    first = (utc_now() - timedelta(days=3)).date().isoformat()
    body = world.get(tenant.tenant_id, **{"from": first}).json()
    assert body["from"] == first
    assert len(body["items"]) in {4, 5}


def test_366_days_can_be_asked_for_and_no_more(world: World, tenant: TenantChanged) -> None:
    answer = world.get(tenant.tenant_id, **{"from": "2024-01-01", "to": "2024-12-31"})
    assert len(answer.json()["items"]) == 366
    problem = refused(
        world.get(tenant.tenant_id, **{"from": "2023-12-31", "to": "2024-12-31"}), 422, "invalid"
    )
    assert problem["errors"][0]["pointer"] == "?from"  # type: ignore[index]  # JSON


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "yesterday"}, "?from"),
        ({"from": "2026-02-30"}, "?from"),
        ({"from": "2026-03-02T10:00:00Z"}, "?from"),
        ({"to": "1772409600"}, "?to"),
        ({"to": ""}, "?to"),
        ({"to": "9999-12-31"}, "?to"),
        ({"from": "0001-01-01"}, "?from"),
        ({"from": "2026-03-02\0"}, "?from"),
        ({"from": "2026-03-03", "to": "2026-03-02"}, "?from"),
        ({"from": "2099-01-01"}, "?from"),
        ({"until": "2026-03-02"}, "?until"),
    ],
)
def test_bad_dates_are_refused_by_name(
    world: World, tenant: TenantChanged, query: dict[str, str], pointer: str
) -> None:
    problem = refused(world.get(tenant.tenant_id, **query), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]  # type: ignore[attr-defined]  # JSON


def test_two_businesses_see_their_own_figures(world: World) -> None:
    ours, theirs = world.tenant(), world.tenant()
    occurred_at = datetime.fromisoformat(f"{DAY}T12:00:00+00:00")
    for _ in range(3):
        world.topics.publish(appointment(AppointmentBooked, ours, utc_now(), occurred_at=occurred_at))
    world.topics.publish(appointment(AppointmentBooked, theirs, utc_now(), occurred_at=occurred_at))
    world.shows(ours, DAY, booked=3)
    world.shows(theirs, DAY, booked=1)


def test_the_same_appointment_id_in_two_businesses_is_two_appointments(world: World) -> None:
    ours, theirs = world.tenant(), world.tenant()
    occurred_at = datetime.fromisoformat(f"{DAY}T12:00:00+00:00")
    mine = appointment(AppointmentBooked, ours, utc_now(), occurred_at=occurred_at)
    world.topics.publish(mine)
    world.topics.publish(mine.model_copy(update={"tenant_id": theirs.tenant_id, "version": 7}))
    world.shows(ours, DAY, booked=1)
    world.shows(theirs, DAY, booked=1)


def test_owner_and_staff_may_ask_and_nobody_else(world: World, tenant: TenantChanged) -> None:
    assert world.get(tenant.tenant_id, role="owner").status_code == 200
    assert world.get(tenant.tenant_id, role="staff").status_code == 200
    refused(world.get(tenant.tenant_id, role="admin"), 403, "forbidden")
    assert world.running is not None
    url = f"{world.running.url}/v1/analytics/daily"
    refused(world.http.get(url), 401, "unauthorized")
    refused(world.http.get(url, headers={"Authorization": "Bearer nonsense"}), 401, "unauthorized")
    refused(world.http.post(url, headers=world.minter.headers(tenant.tenant_id)), 405, "method-not-allowed")


def test_an_unknown_business_has_no_figures_and_a_suspended_one_can_still_read(world: World) -> None:
    refused(world.get(new_id()), 404, "not-found")
    suspended = world.tenant(state=TenantState.SUSPENDED)
    assert world.get(suspended.tenant_id).status_code == 200
