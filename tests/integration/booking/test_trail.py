"""The audit trail of appointments and customers: who did what, and nothing personal."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from contracts.platform import TenantState
from integration.booking.records import ANY, booked, trail
from integration.booking.waiting import join
from integration.booking.world import World, tomorrow_noon, wish
from servicekit.ids import new_id
from support.tenants import new_tenant


async def test_the_trail_tells_who_did_what(world: World) -> None:
    shop = await world.shop()
    made = world.post(shop, wish(shop, tomorrow_noon()))
    appointment_id, token = made.json()["id"], made.json()["token"]
    member = str(new_id())
    headers = {
        "Authorization": f"Bearer {world.minter.token(shop.tenant.tenant_id, sub=member, role='staff')}",
        "X-Request-ID": "request-of-a-member",
    }
    path = f"/v1/appointments/{appointment_id}"
    moved = {"starts_at": (tomorrow_noon() + timedelta(hours=1)).isoformat()}
    assert world.call("PATCH", path, json=moved | {"notes": "Bea"}, headers=headers | ANY).is_success
    assert world.call("DELETE", f"/v1/public/appointments/{token}").is_success
    cancelled, noted, rescheduled, booking = trail(world, shop, entity=appointment_id)
    customer_id = world.call("GET", path, shop).json()["customer"]["id"]

    assert [entry["action"] for entry in (booking, rescheduled, noted, cancelled)] == [
        "appointment.booked",
        "appointment.rescheduled",
        "appointment.notes-changed",
        "appointment.cancelled",
    ]
    assert booking["actor"] == cancelled["actor"] == {"kind": "customer", "id": customer_id}
    assert rescheduled["actor"] == noted["actor"] == {"kind": "member", "id": member}
    assert rescheduled["request_id"] == "request-of-a-member"
    assert booking["entity"] == {"kind": "appointment", "id": appointment_id}
    assert booking["changes"]["status"] == {"old": None, "new": "confirmed"}
    assert noted["changes"] == {"notes": {"hidden": True}}
    assert cancelled["changes"] == {"status": {"old": "confirmed", "new": "cancelled"}}
    assert rescheduled["changes"].keys() == {"starts_at", "ends_at"}
    assert datetime.fromisoformat(rescheduled["changes"]["starts_at"]["old"]) == tomorrow_noon()


async def test_each_way_an_appointment_ends_is_in_the_trail(world: World) -> None:
    shop = await world.shop(requires_confirmation=True, capacity=3)
    for settled in ("complete", "no-show"):
        appointment = booked(world, shop)
        path = f"/v1/appointments/{appointment['id']}"
        assert world.call("POST", f"{path}/confirm", shop).is_success
        with psycopg.connect(world.database.admin_url) as conn:
            conn.execute(
                "UPDATE appointment SET starts_at = now() - interval '2 h' WHERE appointment_id = %s",
                (UUID(appointment["id"]),),
            )
        assert world.call("POST", f"{path}/{settled}", shop).is_success
        assert world.call("POST", f"{path}/{settled}", shop).is_success  # nothing changes, nothing is told
        told = [entry["action"] for entry in trail(world, shop, entity=appointment["id"])]
        ended = {"complete": "appointment.completed", "no-show": "appointment.no-show"}[settled]
        assert told == [ended, "appointment.confirmed", "appointment.booked"]


async def test_the_trail_holds_nothing_personal(world: World) -> None:
    shop = await world.shop()
    customer = booked(world, shop, customer={"name": "Beatrix", "email": "b@customer.example"})["customer"]
    body = {"name": "Beatrix B.", "phone": "+351912345678", "notes": "Beatrix", "consent": {"email": False}}
    assert world.call("PATCH", f"/v1/customers/{customer['id']}", shop, json=body, headers=ANY).is_success
    (entry,) = trail(world, shop, entity=customer["id"])
    assert entry["action"] == "customer.changed"
    assert entry["changes"] == {
        "name": {"hidden": True},
        "phone": {"hidden": True},
        "notes": {"hidden": True},
        "consent": {"old": {"email": True, "sms": False}, "new": {"email": False, "sms": False}},
    }
    for personal in ("eatrix", "351912345678", "b@customer"):
        assert world.rows("SELECT 1 FROM audit_entry t WHERE t::text LIKE %s", f"%{personal}%") == []


async def test_what_somebody_says_anew_as_they_book_is_a_change_of_the_customer(world: World) -> None:
    shop = await world.shop(capacity=5)
    customer = booked(world, shop)["customer"]
    booked(world, shop)
    assert trail(world, shop, entity=customer["id"]) == [], "nothing new"
    booked(world, shop, consent={"email": False})
    who = {name: customer[name] for name in ("name", "email")}
    join(world, shop, customer=who)
    allowed, withdrawn = trail(world, shop, entity=customer["id"])
    yes, no = {"email": True, "sms": False}, {"email": False, "sms": False}
    assert withdrawn["changes"] == {"consent": {"old": yes, "new": no}}
    assert allowed["changes"] == {"consent": {"old": no, "new": yes}}
    for entry in (allowed, withdrawn):
        assert entry["action"] == "customer.changed"
        assert entry["actor"] == {"kind": "customer", "id": customer["id"]}


async def test_a_refused_change_leaves_no_entry(world: World) -> None:
    shop = await world.shop()
    booked(world, shop)
    assert world.post(shop, wish(shop, tomorrow_noon())).status_code == 409
    assert len(trail(world, shop)) == 1


async def test_the_trail_is_read_in_pages_and_by_time(world: World) -> None:
    shop = await world.shop(capacity=5)
    made = [booked(world, shop)["id"] for _ in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = world.call("GET", "/v1/audit", shop, params=query).json()
        seen += [entry["entity"]["id"] for entry in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made[::-1]
    third = trail(world, shop)[2]["at"]
    assert [entry["entity"]["id"] for entry in trail(world, shop, **{"from": third})] == made[:1:-1]
    assert [entry["entity"]["id"] for entry in trail(world, shop, to=third)] == made[1::-1]
    assert trail(world, shop, to=datetime(2026, 1, 1, tzinfo=UTC).isoformat()) == []


async def test_the_trail_is_the_owners_and_the_businesss_own(world: World) -> None:
    ours, theirs = await world.shop(), await world.shop(tenant=new_tenant(state=TenantState.ACTIVE))
    appointment = booked(world, theirs)
    assert trail(world, ours) == []
    assert trail(world, ours, entity=appointment["id"]) == []
    assert world.call("GET", "/v1/audit", theirs, role="staff").status_code == 403
    assert world.call("GET", "/v1/audit").status_code == 401


async def test_nobody_can_change_the_trail(world: World) -> None:
    """Not even booking itself while it works for a business; an erasure alone removes it."""
    shop = await world.shop()
    booked(world, shop)
    tenant_id = str(shop.tenant.tenant_id)
    with psycopg.connect(world.database.settings.conninfo(), autocommit=True) as conn:
        for worker, gone in (("", 0), ("on", 1)):
            with conn.transaction():
                conn.execute(
                    "SELECT set_config('app.tenant_id', %s, true), set_config('app.worker', %s, true)",
                    (tenant_id, worker),
                )
                assert conn.execute("UPDATE audit_entry SET action = 'nothing'").rowcount == 0
                assert conn.execute("DELETE FROM audit_entry").rowcount == gone
