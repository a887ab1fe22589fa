"""The reminders that booking asks for and withdraws, as an appointment moves, ends, and the policy changes."""

import json
from datetime import timedelta
from typing import Any

from booking.catalog import CatalogFollower
from booking.reminders import align_all
from contracts.booking import Channel
from contracts.business import PolicyChanged, ReminderRule
from integration.booking.world import Shop, World, tomorrow_noon, wish
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.ids import new_id


def told(world: World, shop: Shop) -> list[dict[str, Any]]:
    """The business's reminder events so far, in order, each with its `kind`."""
    rows = world.rows(
        "SELECT headers->>'ce_type' AS type, payload FROM outbox"
        " WHERE topic = 'booking.reminder.v1' AND key LIKE %s ORDER BY id",
        f"{shop.tenant.tenant_id}/%",
    )
    return [json.loads(row["payload"]) | {"kind": row["type"].split(".")[2]} for row in rows]


async def change_policy(world: World, shop: Shop, *offsets: int) -> None:
    """As the consumer does when business tells it; the offsets in seconds before the appointment."""
    rules = [ReminderRule(rule_id=new_id(), offset_seconds=offset, channel=Channel.SMS) for offset in offsets]
    tenant_id = shop.tenant.tenant_id
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        async with db.tenant(tenant_id) as conn:
            changed = PolicyChanged(tenant_id=tenant_id, version=2, rules=rules)
            await CatalogFollower().policy_changed(conn, changed)
            await align_all(conn, tenant_id, utc_now())
    finally:
        await db.close()


async def test_a_moved_appointment_withdraws_its_reminder_and_asks_for_one_of_the_new_time(
    world: World,
) -> None:
    shop = await world.shop()
    noon = tomorrow_noon()
    appointment = world.post(shop, wish(shop, noon)).json()["id"]
    later = (noon + timedelta(hours=3)).isoformat()
    path = f"/v1/appointments/{appointment}"
    read = {"If-Match": world.call("GET", path, shop).headers["etag"]}
    moved = world.call("PATCH", path, shop, json={"starts_at": later}, headers=read)
    assert moved.status_code == 200, moved.text
    first, withdrawn, second = told(world, shop)
    assert [first["kind"], withdrawn["kind"], second["kind"]] == ["requested", "withdrawn", "requested"]
    assert withdrawn["reminder_id"] == first["reminder_id"] != second["reminder_id"]
    assert withdrawn["reason"] == "rescheduled"
    assert second["due_at"] == f"{noon + timedelta(hours=2):%FT%TZ}"
    assert second["appointment_version"] == first["appointment_version"] + 1


async def test_a_cancelled_appointment_withdraws_its_reminder(world: World) -> None:
    shop = await world.shop()
    appointment = world.post(shop, wish(shop, tomorrow_noon())).json()["id"]
    assert world.call("POST", f"/v1/appointments/{appointment}/cancel", shop).status_code == 200
    requested, withdrawn = told(world, shop)
    assert withdrawn["kind"] == "withdrawn"
    assert withdrawn["reminder_id"] == requested["reminder_id"]
    assert withdrawn["reason"] == "cancelled"


async def test_a_changed_policy_withdraws_what_it_no_longer_wants_and_asks_for_what_it_does(
    world: World,
) -> None:
    """Of an appointment to come; of one that is cancelled nothing. A time already past is not asked for."""
    shop = await world.shop()
    noon = tomorrow_noon()
    cancelled = world.post(shop, wish(shop, noon)).json()["id"]
    assert world.call("POST", f"/v1/appointments/{cancelled}/cancel", shop).status_code == 200
    kept = world.post(shop, wish(shop, noon)).json()["id"]
    before = told(world, shop)
    await change_policy(world, shop, 1800, 7200, 90 * 24 * 3600)
    changed = told(world, shop)[len(before) :]
    assert {event["appointment_id"] for event in changed} == {kept}
    assert [event["kind"] for event in changed] == ["withdrawn", "requested", "requested"]
    assert changed[0]["reminder_id"] == before[-1]["reminder_id"]
    assert changed[0]["reason"] == "policy-changed"
    assert {event["due_at"] for event in changed[1:]} == {
        f"{noon - timedelta(seconds=offset):%FT%TZ}" for offset in (1800, 7200)
    }
