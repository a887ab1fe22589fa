"""Calendar feeds of staff members: who has the address sees the calendar, and nobody else."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from icalendar import Calendar

from contracts.platform import TenantState
from integration.booking.records import put_back
from integration.booking.world import Shop, World, tomorrow_noon, wish
from support.tenants import new_tenant

ANY = {"If-Match": "*"}


def address_of(world: World, shop: Shop, member: int = 0) -> str:
    """A new address, as a path here."""
    answer = world.call("POST", f"/v1/staff-feeds/{shop.staff[member]}", shop)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    url = str(answer.json()["url"])
    assert url.startswith("http://127.0.0.1:8080/v1/public/feeds/")
    assert url.endswith(".ics")
    return url.removeprefix("http://127.0.0.1:8080")


def events_of(answer: httpx.Response) -> dict[str, Any]:
    """By UID."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    return {str(event["UID"]): event for event in Calendar.from_ical(answer.content).walk("VEVENT")}


async def test_a_feed_follows_its_staff_members_appointments(world: World) -> None:
    shop = await world.shop(staff=2)
    path = address_of(world, shop)
    assert events_of(world.call("GET", path)) == {}
    mine = world.post(shop, wish(shop, tomorrow_noon(), staff_id=str(shop.staff[0]))).json()
    world.post(shop, wish(shop, tomorrow_noon(), staff_id=str(shop.staff[1])))
    uid = f"{mine['id']}@slotwright"

    first = events_of(world.call("GET", path))
    assert first.keys() == {uid}
    assert str(first[uid]["SUMMARY"]) == "Bea – Cut"
    assert (first[uid]["SEQUENCE"], first[uid]["DTSTART"].dt) == (0, tomorrow_noon())

    later = {"starts_at": (tomorrow_noon() + timedelta(hours=3)).isoformat()}
    assert world.call("PATCH", f"/v1/appointments/{mine['id']}", shop, json=later, headers=ANY).is_success
    second = events_of(world.call("GET", path))
    assert second.keys() == {uid}
    assert (second[uid]["SEQUENCE"], second[uid]["DTSTART"].dt) == (1, tomorrow_noon() + timedelta(hours=3))

    world.call("POST", f"/v1/appointments/{mine['id']}/cancel", shop)
    third = events_of(world.call("GET", path))
    assert (third[uid]["SEQUENCE"], str(third[uid]["STATUS"])) == (2, "CANCELLED")


async def test_who_has_the_calendar_already_is_not_sent_it_again(world: World) -> None:
    shop = await world.shop()
    appointment = world.post(shop, wish(shop, tomorrow_noon())).json()
    path = address_of(world, shop)
    tag = world.call("GET", path).headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = world.call("GET", path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "private, max-age=900"
    noted = world.call(
        "PATCH", f"/v1/appointments/{appointment['id']}", shop, json={"notes": "x"}, headers=ANY
    )
    assert noted.is_success
    assert world.call("GET", path, headers={"If-None-Match": tag}).status_code == 304
    customer = f"/v1/customers/{noted.json()['customer']['id']}"
    assert world.call("PATCH", customer, shop, json={"name": "Bea B."}, headers=ANY).is_success
    renamed = world.call("GET", path, headers={"If-None-Match": tag})
    assert "Bea B." in renamed.text
    assert renamed.headers["etag"] != tag


async def test_a_feed_reaches_sixty_days_back_and_four_hundred_ahead(world: World) -> None:
    shop = await world.shop(booking_window_days=730)
    made = [
        world.post(shop, wish(shop, tomorrow_noon() + timedelta(days=day))).json()["id"]
        for day in (1, 2, 395, 405)
    ]
    for appointment, days in ((made[0], 55), (made[1], 65)):
        put_back(world, appointment, timedelta(days=days))
    found = events_of(world.call("GET", address_of(world, shop)))
    assert found.keys() == {f"{made[0]}@slotwright", f"{made[2]}@slotwright"}


async def test_a_new_address_and_a_withdrawal_make_the_old_one_void(world: World) -> None:
    shop = await world.shop()
    old = address_of(world, shop)
    new = address_of(world, shop)
    assert world.call("GET", old).status_code == 404
    assert world.call("GET", new).status_code == 200
    path = f"/v1/staff-feeds/{shop.staff[0]}"
    assert world.call("DELETE", path, shop).status_code == 204
    assert world.call("GET", new).status_code == 404
    assert world.call("DELETE", path, shop).status_code == 404
    told = world.call("GET", "/v1/audit", shop, params={"entity": str(shop.staff[0])}).json()["items"]
    assert [entry["action"] for entry in told] == [
        "staff-feed.withdrawn",
        "staff-feed.rotated",
        "staff-feed.rotated",
    ]


def forged(path: str, theirs: str) -> Iterator[str]:
    """Addresses made of two genuine ones' parts, and others."""

    def raw(address: str) -> bytes:
        token = address.rpartition("/")[2].removesuffix(".ics")
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))

    mine, other = raw(path), raw(theirs)
    for made in (
        mine[:16] + other[16:],  # their staff member and secret, at our business
        mine[:32] + other[32:],  # our staff member, their secret
        other[:32] + mine[32:],
        mine[:-1] + bytes([mine[-1] ^ 1]),
        mine + b"x",
        mine[:-1],
        b"",
    ):
        yield base64.urlsafe_b64encode(made).rstrip(b"=").decode()
    yield from ("x", "A" * 86, "é")


async def test_another_address_leads_nowhere(world: World) -> None:
    ours, theirs = await world.shop(), await world.shop()
    world.post(theirs, wish(theirs, tomorrow_noon()))
    addresses = address_of(world, ours), address_of(world, theirs)
    for token in forged(*addresses):
        assert world.call("GET", f"/v1/public/feeds/{token}.ics").status_code == 404, token


async def test_only_the_owner_makes_and_withdraws_addresses_and_only_of_their_staff(world: World) -> None:
    ours, theirs = await world.shop(), await world.shop()
    kept = address_of(world, theirs)
    for method in ("POST", "DELETE"):
        assert world.call(method, f"/v1/staff-feeds/{theirs.staff[0]}", ours).status_code == 404
        assert world.call(method, f"/v1/staff-feeds/{ours.staff[0]}", ours, role="staff").status_code == 403
        assert world.call(method, f"/v1/staff-feeds/{ours.staff[0]}").status_code == 401
    assert world.call("GET", kept).status_code == 200


async def test_a_token_is_nowhere_in_the_database(world: World) -> None:
    shop = await world.shop()
    token = address_of(world, shop).rpartition("/")[2].removesuffix(".ics")
    secret = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[32:]
    (row,) = world.rows("SELECT * FROM staff_feed WHERE tenant_id = %s", shop.tenant.tenant_id)
    assert len(bytes(row["token_hash"])) == 32
    assert secret != bytes(row["token_hash"])
    assert world.rows("SELECT 1 FROM audit_entry t WHERE t::text LIKE %s", f"%{token[-20:]}%") == []


@pytest.mark.parametrize("state", [TenantState.SUSPENDED])
async def test_a_suspended_business_has_its_calendars_still_and_makes_no_new_addresses(
    world: World, state: TenantState
) -> None:
    shop = await world.shop()
    path = address_of(world, shop)
    suspended = shop.tenant.model_copy(update={"state": state})
    await world.shop(tenant=suspended)
    assert world.call("GET", path).status_code == 200
    refused = world.call("POST", f"/v1/staff-feeds/{shop.staff[0]}", shop)
    assert refused.json()["type"] == "/problems/tenant-suspended"


async def test_an_unknown_business_has_no_feeds(world: World) -> None:
    shop = Shop(new_tenant(), [UUID(int=1)], UUID(int=2))
    assert world.call("POST", f"/v1/staff-feeds/{shop.staff[0]}", shop).status_code == 404
