"""Customers who are erased: what stays of them, and what they cannot be erased beside."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg

from integration.booking.records import ANY, booked, types_told
from integration.booking.waiting import accept, join
from integration.booking.world import Shop, World, tomorrow_noon, wish
from support.events import until

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


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
            f"SELECT 1 FROM {row['name']} t WHERE tenant_id = %s AND (t::text LIKE %s OR t::text LIKE %s)",
            shop.tenant.tenant_id,
            f"%{text}%",
            f"%{text.encode().hex()}%",  # what is kept as bytes
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


async def test_who_takes_an_offer_is_not_erased_and_neither_waits_for_the_other_for_good(
    world: World,
) -> None:
    """The offer is being taken, and is held up behind its entry: the erasure waits for it, and refuses."""
    shop = await world.shop()
    entry = join(world, shop)
    await world.turn()
    (customer,) = world.rows("SELECT customer_id FROM customer WHERE tenant_id = %s", shop.tenant.tenant_id)
    path = f"/v1/customers/{customer['customer_id']}"
    with psycopg.connect(world.database.admin_url) as conn, ThreadPoolExecutor(2) as threads:
        conn.execute("SELECT 1 FROM resource WHERE tenant_id = %s FOR UPDATE", (shop.tenant.tenant_id,))
        taking = threads.submit(accept, world, entry)
        until(lambda: world.rows(WAITING), "the offer is being taken")
        erasing = threads.submit(world.call, "DELETE", path, shop)
        until(lambda: len(world.rows(WAITING)) == 2, "the erasure waits")
        conn.rollback()
        assert taking.result().status_code == 201, taking.result().text
        assert erasing.result().status_code == 409, erasing.result().text
    assert erasing.result().json()["type"] == "/problems/customer-has-appointments"


async def test_an_answer_that_is_repeated_behind_an_erasure_does_not_tell_who_it_was(world: World) -> None:
    """Nor does it take effect again; other customers' answers stay as they are."""
    shop = await world.shop(staff=2)
    noon = tomorrow_noon()
    keys = {"beatrix": {"Idempotency-Key": "one"}, "cem": {"Idempotency-Key": "two"}}
    ids: dict[str, str] = {}

    def book(name: str) -> httpx.Response:
        person = {"name": name, "email": f"{name}@customer.example", "phone": "+351912345678"}
        rule = {"every": "day", "count": 2}
        wanted = wish(shop, noon, rule=rule, customer=person, notes=f"{name} is left-handed")
        return world.call("POST", "/v1/series", shop, json=wanted, headers=keys[name])

    def offer(name: str) -> httpx.Response:
        path, at = f"/v1/waitlist/{ids[name]}/offer", (noon + timedelta(hours=5)).isoformat()
        return world.call("POST", path, shop, json={"starts_at": at}, headers=keys[name])

    for name in keys:
        person = {"name": name, "email": f"{name}@customer.example", "phone": "+351912345678"}
        ids[name] = join(world, shop, customer=person)["id"]
    told = {name: (book(name), offer(name)) for name in keys}
    assert {answer.status_code for pair in told.values() for answer in pair} == {201}, told
    series = told["beatrix"][0].json()
    assert world.call("POST", f"/v1/series/{series['id']}/cancel", shop, json={}).is_success
    customer_id = series["appointments"][0]["customer"]["id"]
    assert "idempotency" in traces(world, shop, "beatrix")
    assert world.call("DELETE", f"/v1/customers/{customer_id}", shop).status_code == 204
    assert traces(world, shop, "beatrix") == []

    for name in keys:
        for before, again in zip(told[name], (book(name), offer(name)), strict=True):
            assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
            if name == "cem":
                assert again.text == before.text
                continue
            assert again.json().keys() == before.json().keys()
            assert again.json()["id"] == before.json()["id"]
    one, two = book("beatrix").json()["appointments"]
    gone = world.call("GET", f"/v1/customers/{customer_id}", shop).json()
    assert one["customer"] == two["customer"] == offer("beatrix").json()["customer"] == gone
    assert (one["notes"], one["starts_at"]) == ("", series["appointments"][0]["starts_at"])
