"""`python -m booking retell`: customers are told anew, for notification to have what a restored database has."""

import json
from typing import Any

from integration.booking.records import booked
from integration.booking.world import Shop, World
from servicekit.retelling import STEP
from support.retelling import retell


def retold(world: World) -> None:
    retell("booking", world.database.settings.database_url.get_secret_value())


async def test_customers_are_told_again_and_appointments_keep_their_versions(world: World) -> None:
    shop = await world.shop()
    appointment = booked(world, shop)
    (before,) = told(world, shop)
    assert before is not None
    retold(world)
    assert told(world, shop) == [before, before | {"version": before["version"] + STEP}]
    now = world.call("GET", f"/v1/appointments/{appointment['id']}", shop).json()
    assert now["version"] == appointment["version"]


async def test_who_was_erased_is_not_told_of_again(world: World) -> None:
    """A record behind the tombstone would bring the name back."""
    shop = await world.shop()
    appointment = booked(world, shop)
    assert world.call("POST", f"/v1/appointments/{appointment['id']}/cancel", shop).is_success
    assert world.call("DELETE", f"/v1/customers/{appointment['customer']['id']}", shop).status_code == 204
    before = told(world, shop)
    assert before[-1] is None
    retold(world)
    assert told(world, shop) == before


def told(world: World, shop: Shop) -> list[dict[str, Any] | None]:
    """The data of the customers' events in the outbox; None for a tombstone."""
    rows = world.rows(
        "SELECT payload FROM outbox WHERE topic = 'booking.customer.v1' AND key LIKE %s ORDER BY id",
        f"{shop.tenant.tenant_id}/%",
    )
    return [None if row["payload"] is None else json.loads(row["payload"]) for row in rows]
