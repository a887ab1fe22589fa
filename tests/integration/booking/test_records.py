"""Notes and customers' records, over HTTP on a real Postgres."""

import json
from datetime import timedelta
from typing import Any

import pytest

from integration.booking.records import ANY, booked, types_told
from integration.booking.waiting import try_to_join
from integration.booking.world import World, tomorrow_noon
from servicekit.ids import new_id


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


async def test_who_books_again_is_told_of_when_something_is_new(world: World) -> None:
    """The second booking says what is known, the third withdraws the consent, the fourth says so again."""
    shop = await world.shop(capacity=5)
    bea = booked(world, shop)["customer"]

    def told() -> list[tuple[int, bool]]:
        rows = world.rows(
            "SELECT payload FROM outbox WHERE key = %s ORDER BY id", f"{shop.tenant.tenant_id}/{bea['id']}"
        )
        found = [json.loads(bytes(row["payload"])) for row in rows]
        return [(each["version"], each["consent"]["email"]) for each in found]

    assert booked(world, shop)["customer"] == bea
    assert told() == [(1, True)]
    again = booked(world, shop, consent={"email": False})["customer"]
    assert again == bea | {"version": 2, "consent": {"email": False, "sms": False}}
    assert booked(world, shop, consent={"email": False})["customer"] == again
    assert told() == [(1, True), (2, False)]


async def test_a_customers_language_changes_only_where_one_is_named(world: World) -> None:
    shop = await world.shop(capacity=9)
    known = booked(world, shop)["customer"]
    path = f"/v1/customers/{known['id']}"
    world.call("PATCH", path, shop, json={"locale": "de"}, headers=ANY)
    who = {name: known[name] for name in ("name", "email")}
    assert booked(world, shop, customer=who)["customer"]["locale"] == "de"
    try_to_join(world, shop, customer=who)
    assert world.call("GET", path, shop).json()["locale"] == "de"
    assert booked(world, shop, customer=who | {"locale": "pt"})["customer"]["locale"] == "pt"


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


async def test_appointments_are_listed_from_either_end(world: World) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    hours = [(noon + timedelta(hours=hour)).isoformat() for hour in (0, 2, 1)]
    made = [booked(world, shop, starts_at=start)["id"] for start in hours]
    by_start = [made[0], made[2], made[1]]

    def listed(**query: Any) -> list[str]:
        """Page by page, one appointment each."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            params = {"limit": 1, **query} | ({"cursor": cursor} if cursor else {})
            page = world.call("GET", "/v1/appointments", shop, params=params).json()
            found += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert listed() == by_start
    assert listed(order="desc") == by_start[::-1]
    assert listed(order="desc", to=(noon + timedelta(hours=2)).isoformat()) == by_start[1::-1]
    refused = world.call("GET", "/v1/appointments", shop, params={"order": "newest"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "?order")
