"""What tests of a business's records have in common: an appointment to look at, and what was told of it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg

from integration.booking.world import Shop, World, tomorrow_noon, wish

ANY = {"If-Match": "*"}


def booked(world: World, shop: Shop, **fields: Any) -> dict[str, Any]:
    """A new appointment at noon, as the business sees it."""
    made = world.post(shop, wish(shop, tomorrow_noon()) | fields)
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


def put_back(world: World, appointment_id: str, ago: timedelta) -> None:
    """As if the appointment had begun so long ago, with all that hangs on it."""
    values = {"id": UUID(appointment_id), "ago": ago}
    with psycopg.connect(world.database.admin_url) as conn:
        for statement in (
            "CREATE TEMPORARY TABLE moved ON COMMIT DROP AS"
            " SELECT appointment_id, starts_at - now() + %(ago)s AS back"
            " FROM appointment WHERE appointment_id = %(id)s",
            "UPDATE appointment SET starts_at = starts_at - back, ends_at = ends_at - back"
            " FROM moved WHERE appointment.appointment_id = moved.appointment_id",
            "UPDATE allocation SET during = tstzrange(lower(during) - back, upper(during) - back)"
            " FROM moved WHERE allocation.appointment_id = moved.appointment_id",
            "UPDATE reminder SET due_at = due_at - back"
            " FROM moved WHERE reminder.appointment_id = moved.appointment_id",
        ):
            conn.execute(statement.encode(), values)
