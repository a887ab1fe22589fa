"""Notes, customers' records, exports and the audit trail, over HTTP on a real Postgres."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from contracts.platform import TenantState
from integration.booking.world import Shop, World, tomorrow_noon, wish
from servicekit.ids import new_id
from support.events import until
from support.tenants import new_tenant

ANY = {"If-Match": "*"}
ODD = "=HYPERLINK(1)"
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def booked(world: World, shop: Shop, **fields: Any) -> dict[str, Any]:
    """A new appointment at noon, as the business sees it."""
    made = world.post(shop, wish(shop, tomorrow_noon(), **fields))
    assert made.status_code == 201, made.text
    found: dict[str, Any] = world.call("GET", f"/v1/appointments/{made.json()['id']}", shop).json()
    return found


def types_told(world: World, shop: Shop, entity: str) -> list[str | None]:
    """The types of the events about one thing, in order; None for a tombstone."""
    rows = world.rows(
        "SELECT headers->>'ce_type' AS type, payload IS NULL AS buried FROM outbox WHERE key = %s ORDER BY id",
        f"{shop.tenant.tenant_id}/{entity}",
    )
    return [None if row["buried"] else row["type"] for row in rows]


def trail(world: World, shop: Shop, **query: Any) -> list[dict[str, Any]]:
    answer = world.call("GET", "/v1/audit", shop, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


# notes


async def test_notes_are_edited_without_telling_anybody(world: World) -> None:
    """Neither the version rises, which customers' calendars follow, nor is there an event; the ETag changes."""
    shop = await world.shop()
    appointment = booked(world, shop)
    path = f"/v1/appointments/{appointment['id']}"
    told = types_told(world, shop, appointment["id"])
    noted = world.call(
        "PATCH", path, shop, role="staff", json={"notes": "Left"}, headers={"If-Match": '"v1"'}
    )
    assert (noted.status_code, noted.headers["etag"]) == (200, '"v2"'), noted.text
    assert (noted.json()["version"], noted.json()["notes"]) == (1, "Left")
    assert noted.json()["starts_at"] == appointment["starts_at"]
    assert types_told(world, shop, appointment["id"]) == told
    lost = world.call("PATCH", path, shop, json={"notes": "Right"}, headers={"If-Match": '"v1"'})
    assert (lost.status_code, lost.json()["type"]) == (412, "/problems/precondition-failed")
    same = world.call("PATCH", path, shop, json={"notes": "Left"}, headers={"If-Match": '"v2"'})
    assert same.headers["etag"] == '"v2"'


async def test_moving_and_noting_is_one_change_and_the_next_etag_is_another(world: World) -> None:
    shop = await world.shop()
    appointment = booked(world, shop)
    path = f"/v1/appointments/{appointment['id']}"
    body = {"notes": "Late", "starts_at": (tomorrow_noon() + timedelta(hours=2)).isoformat()}
    moved = world.call("PATCH", path, shop, json=body, headers={"If-Match": '"v1"'})
    assert (moved.status_code, moved.json()["version"], moved.headers["etag"]) == (200, 2, '"v3"'), moved.text
    assert world.call("GET", path, shop).headers["etag"] == '"v3"'


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/"), ({"staff_id": str(new_id())}, "/starts_at"), ({"notes": "x" * 2001}, "/notes")],
)
async def test_an_edit_that_edits_nothing_is_refused(
    world: World, body: dict[str, Any], pointer: str
) -> None:
    shop = await world.shop()
    path = f"/v1/appointments/{booked(world, shop)['id']}"
    answer = world.call("PATCH", path, shop, json=body, headers=ANY)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


# customers


async def test_a_customer_is_corrected_and_those_who_follow_are_told(world: World) -> None:
    shop = await world.shop()
    customer = booked(world, shop)["customer"]
    path = f"/v1/customers/{customer['id']}"
    read = world.call("GET", path, shop, role="staff")
    assert (read.json(), read.headers["etag"]) == (customer, '"v1"')
    body = {
        "name": "Bea B.",
        "phone": "+351912345678",
        "consent": {"email": False, "sms": True},
        "notes": "Left",
    }
    edited = world.call("PATCH", path, shop, role="staff", json=body, headers={"If-Match": '"v1"'})
    assert (edited.status_code, edited.headers["etag"]) == (200, '"v2"'), edited.text
    assert edited.json() == customer | body | {"version": 2}
    last = world.rows(
        "SELECT payload FROM outbox WHERE key = %s ORDER BY id DESC LIMIT 1",
        f"{shop.tenant.tenant_id}/{customer['id']}",
    )
    told = json.loads(bytes(last[0]["payload"]))
    assert (told["name"], told["version"], told["consent"]) == ("Bea B.", 2, {"email": False, "sms": True})
    assert "notes" not in told
    assert (
        world.call("PATCH", path, shop, json={"name": "X"}, headers={"If-Match": '"v1"'}).status_code == 412
    )
    assert world.call("PATCH", path, shop, json={"name": "X"}).status_code == 428
    unchanged = world.call("PATCH", path, shop, json={"name": "Bea B."}, headers=ANY)
    assert unchanged.json()["version"] == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": None}, "/email"),
        ({"consent": {"email": True, "sms": True}}, "/phone"),
        ({"name": None}, "/name"),
        ({"locale": "English"}, "/locale"),
    ],
)
async def test_a_customer_must_stay_reachable(world: World, body: dict[str, Any], pointer: str) -> None:
    shop = await world.shop()
    path = f"/v1/customers/{booked(world, shop)['customer']['id']}"
    answer = world.call("PATCH", path, shop, json=body, headers=ANY)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert world.call("GET", path, shop).headers["etag"] == '"v1"'


async def test_a_customer_cannot_become_another_one(world: World) -> None:
    shop = await world.shop(capacity=2)
    bea = booked(world, shop)["customer"]
    bo = booked(world, shop, customer={"name": "Bo", "email": "bo@customer.example"})["customer"]
    body = {"name": bea["name"], "email": bea["email"]}
    answer = world.call("PATCH", f"/v1/customers/{bo['id']}", shop, json=body, headers=ANY)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


async def test_customers_are_found_by_how_their_name_or_address_begins(world: World) -> None:
    shop = await world.shop(capacity=10)
    for name, email in [
        ("Bea", "x@c.example"),
        ("Bo_b", "bea@c.example"),
        ("B%", "y@c.example"),
        ("Al", "z@d.e"),
    ]:
        booked(world, shop, customer={"name": name, "email": email})

    def found(begins: str) -> set[str]:
        answer = world.call("GET", "/v1/customers", shop, params={"q": begins})
        assert answer.status_code == 200, answer.text
        return {item["name"] for item in answer.json()["items"]}

    assert found("bea") == {"Bea", "Bo_b"}
    assert found("BEA") == {"Bea", "Bo_b"}
    assert found("b") == {"Bea", "Bo_b", "B%"}
    assert found("b%") == {"B%"}
    assert found("bo_") == {"Bo_b"}
    assert found("ea") == set()
    assert found("c.example") == set()
    page = world.call("GET", "/v1/customers", shop, params={"q": "b", "limit": 2}).json()
    rest = world.call("GET", "/v1/customers", shop, params={"q": "b", "cursor": page["next_cursor"]}).json()
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)


async def test_a_customers_appointments_can_be_listed(world: World) -> None:
    shop = await world.shop(capacity=2)
    bea = booked(world, shop)
    bo = booked(world, shop, customer={"name": "Bo", "email": "bo@customer.example"})
    for one in (bea, bo):
        items = world.call("GET", "/v1/appointments", shop, params={"customer": one["customer"]["id"]}).json()
        assert [item["id"] for item in items["items"]] == [one["id"]]


# erasure


async def test_who_is_expected_is_not_erased(world: World) -> None:
    shop = await world.shop()
    appointment = booked(world, shop)
    answer = world.call("DELETE", f"/v1/customers/{appointment['customer']['id']}", shop)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/customer-has-appointments")
    assert answer.json()["appointments"] == 1
    assert booked_customer(world, shop, appointment)["name"] == "Bea"


def booked_customer(world: World, shop: Shop, appointment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = world.call("GET", f"/v1/appointments/{appointment['id']}", shop).json()[
        "customer"
    ]
    return found


async def test_an_erased_customer_leaves_an_id_and_nothing_else(world: World) -> None:
    """Every row of the business is looked through, whatever table it is in."""
    shop = await world.shop()
    person = {"name": "Beatrix", "email": "beatrix@customer.example", "phone": "+351912345678"}
    appointment = booked(world, shop, customer=person)
    customer_id = appointment["customer"]["id"]
    path = f"/v1/customers/{customer_id}"
    world.call("PATCH", path, shop, json={"notes": "Knows Beatrix"}, headers=ANY)
    noted = {"notes": "Beatrix is left-handed"}
    assert world.call(
        "PATCH", f"/v1/appointments/{appointment['id']}", shop, json=noted, headers=ANY
    ).is_success
    assert world.call("POST", f"/v1/appointments/{appointment['id']}/cancel", shop).is_success
    answers = '[{"question_id": "q", "label": "For whom?", "answer": "Beatrix"}]'
    world.rows(
        "UPDATE appointment SET answers = %s WHERE appointment_id = %s RETURNING 1",
        answers,
        appointment["id"],
    )
    waits = {
        "service_id": appointment["service_id"],
        "from": appointment["starts_at"],
        "to": appointment["ends_at"],
        "customer": person,
        "consent": {"email": True},
    }
    assert world.call("POST", f"/v1/public/{shop.tenant.slug}/waitlist", json=waits).status_code == 201
    assert traces(world, shop, "eatrix") != []

    assert world.call("DELETE", path, shop, role="staff").status_code == 403
    assert world.call("DELETE", path, shop).status_code == 204
    assert world.call("DELETE", path, shop).status_code == 204
    assert traces(world, shop, "eatrix") == []
    assert traces(world, shop, "351912345678") == []
    assert world.rows("SELECT 1 FROM waitlist_entry WHERE customer_id = %s", customer_id) == []
    assert types_told(world, shop, customer_id)[-1] is None
    assert types_told(world, shop, customer_id).count(None) == 1

    gone = world.call("GET", path, shop).json()
    assert (gone["email"], gone["phone"], gone["notes"]) == (None, None, "")
    assert gone["erased_at"] is not None
    assert booked_customer(world, shop, appointment) == gone
    assert world.call("GET", "/v1/customers", shop).json()["items"] == []
    assert world.call("PATCH", path, shop, json={"name": "X"}, headers=ANY).status_code == 404

    again = booked(world, shop, customer=person)["customer"]
    assert (again["id"] != customer_id, again["version"]) == (True, 1)


def traces(world: World, shop: Shop, text: str) -> list[str]:
    """The tables with a row of the business's that holds the text; events on their way are of no table of its."""
    tables = world.rows(
        "SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
    )
    return [
        row["name"]
        for row in tables
        if world.rows(
            f"SELECT 1 FROM {row['name']} t WHERE tenant_id = %s AND t::text LIKE %s",
            shop.tenant.tenant_id,
            f"%{text}%",
        )
    ]


async def test_two_erased_customers_do_not_collide(world: World) -> None:
    shop = await world.shop(capacity=2)
    for name in ("Bea", "Bo"):
        appointment = booked(world, shop, customer={"name": name, "email": "same@customer.example"})
        world.call("POST", f"/v1/appointments/{appointment['id']}/cancel", shop)
        assert world.call("DELETE", f"/v1/customers/{appointment['customer']['id']}", shop).status_code == 204


async def test_an_erasure_and_a_booking_of_the_same_person_do_not_cross(world: World) -> None:
    """A booking is written and not committed: the erasure waits for it, and refuses."""
    shop = await world.shop()
    appointment = booked(world, shop)
    customer_id = appointment["customer"]["id"]
    world.call("POST", f"/v1/appointments/{appointment['id']}/cancel", shop)
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute("SELECT 1 FROM customer WHERE customer_id = %s FOR UPDATE", (UUID(customer_id),))
        conn.execute(
            "UPDATE appointment SET status = 'confirmed' WHERE appointment_id = %s",
            (UUID(appointment["id"]),),
        )
        with ThreadPoolExecutor(1) as thread:
            erasing = thread.submit(world.call, "DELETE", f"/v1/customers/{customer_id}", shop)
            until(lambda: world.rows(WAITING), "the erasure waits")
            conn.commit()
            assert erasing.result().status_code == 409


# exports


def lines_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    text = answer.content.decode()
    assert text.count("\n") == text.count("\r\n")
    return list(csv.DictReader(StringIO(text, newline=""), strict=True))


async def test_appointments_are_exported_with_the_businesss_times(world: World) -> None:
    shop = await world.shop(tenant=new_tenant(timezone="Asia/Kathmandu"))
    noon = tomorrow_noon()
    booked(world, shop, customer={"name": ODD, "email": "bea@customer.example", "phone": "+351912345678"})
    span = {"from": (noon - timedelta(hours=1)).isoformat(), "to": (noon + timedelta(hours=1)).isoformat()}
    (line,) = lines_of(world.call("GET", "/v1/appointments/export.csv", shop, params=span))
    assert datetime.fromisoformat(line["starts_at"]) == noon
    assert line["starts_at"].endswith("+05:45")
    assert (line["service"], line["staff"], line["status"]) == ("Cut", "Ada", "confirmed")
    assert (line["customer"], line["phone"]) == (f"'{ODD}", "'+351912345678")
    earlier = {"from": "2026-01-01T00:00:00Z", "to": noon.isoformat()}
    assert lines_of(world.call("GET", "/v1/appointments/export.csv", shop, params=earlier)) == []


async def test_customers_are_exported(world: World) -> None:
    shop = await world.shop()
    customer = booked(world, shop, customer={"name": 'B, "e"\ta', "email": "b@customer.example"})["customer"]
    (line,) = lines_of(world.call("GET", "/v1/customers/export.csv", shop))
    assert (line["id"], line["name"], line["consent_email"]) == (customer["id"], 'B, "e"\ta', "true")


async def test_only_the_owner_takes_everything_along(world: World) -> None:
    ours, theirs = await world.shop(), await world.shop()
    booked(world, theirs)
    span = {"from": "2026-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}
    for path, query in (("/v1/appointments/export.csv", span), ("/v1/customers/export.csv", {})):
        assert lines_of(world.call("GET", path, ours, params=query)) == []
        assert world.call("GET", path, theirs, role="staff", params=query).status_code == 403
        assert world.call("GET", path, params=query).status_code == 401
    unknown = Shop(new_tenant(), [], new_id())
    answer = world.call("GET", "/v1/customers/export.csv", unknown)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    backwards = {"from": span["to"], "to": span["from"]}
    answer = world.call("GET", "/v1/appointments/export.csv", ours, params=backwards)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?to"]


@pytest.mark.slow
async def test_a_large_export_is_read_as_it_is_sent(world: World) -> None:
    """Its reader stops: the server waits in the middle of its cursor, and has not read on.

    Slow: it takes many rows to fill what lies between the two.
    """
    shop = await world.shop()
    tenant_id, count = shop.tenant.tenant_id, 25_000
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "INSERT INTO customer (tenant_id, customer_id, name, email, locale, consent_email, consent_sms, notes)"
            " SELECT %s, gen_random_uuid(), 'Customer ' || n, n || '@customer.example', 'en', true, false,"
            " repeat('x', 500) FROM generate_series(1, %s) AS n",
            (tenant_id, count),
        )
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        " AND query LIKE 'FETCH FORWARD%%' AND query_start < now() - interval '300 milliseconds'"
    )
    headers = world.minter.headers(tenant_id)
    with world.http.stream("GET", f"{world.url}/v1/customers/export.csv", headers=headers) as answer:
        until(lambda: world.rows(waiting), "the server waits for its reader")
        assert sum("@customer.example" in line for line in answer.iter_lines()) == count

    # Whoever goes away in the middle leaves no transaction behind.
    with world.http.stream("GET", f"{world.url}/v1/customers/export.csv", headers=headers):
        until(lambda: world.rows(waiting), "the server waits for its reader")
    until(lambda: not world.rows(waiting), "the transaction has ended")


# audit trail


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
