"""How tests of the waitlist join it, take what they are offered, and look at it."""

from datetime import timedelta
from typing import Any

import httpx

from integration.booking.world import OFFER_SECONDS, Shop, World, tomorrow_noon, wish

EXPIRED = timedelta(seconds=OFFER_SECONDS + 1)
LATER = timedelta(hours=2)


def join(world: World, shop: Shop, name: str = "Ann", **fields: Any) -> dict[str, Any]:
    """Joins the list for the hour from noon tomorrow; answers the entry."""
    answer = try_to_join(world, shop, name, **fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def try_to_join(
    world: World, shop: Shop, name: str = "Ann", *, address: str = "", key: str = "", **fields: Any
) -> httpx.Response:
    """As the gateway would for somebody at the address, or past it."""
    noon = tomorrow_noon()
    body = {
        "service_id": str(shop.service_id),
        "from": noon.isoformat(),
        "to": (noon + timedelta(hours=1)).isoformat(),
        "customer": {"name": name, "email": f"{name.lower()}@customer.example"},
        "consent": {"email": True},
    }
    headers = {"X-Forwarded-For": address, "Idempotency-Key": key}
    given = {name: value for name, value in headers.items() if value}
    path = f"/v1/public/{shop.tenant.slug}/waitlist"
    return world.call("POST", path, json=body | fields, headers=given)


def seen(world: World, entry: dict[str, Any]) -> dict[str, Any]:
    answer = world.call("GET", f"/v1/public/waitlist/{entry['token']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def accept(world: World, entry: dict[str, Any], **sent: Any) -> httpx.Response:
    return world.call("POST", f"/v1/public/waitlist/{entry['token']}/accept", **sent)


def offers(world: World, shop: Shop) -> list[dict[str, Any]]:
    """The events that tell of offers."""
    found = world.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb AS told FROM outbox"
        " WHERE key LIKE %s AND topic = 'booking.waitlist.v1' ORDER BY id",
        f"{shop.tenant.tenant_id}/%",
    )
    return [row["told"] for row in found]


async def full_shop(world: World, **made: Any) -> tuple[Shop, list[str]]:
    """A business whose hour from noon tomorrow is taken; and the links of the two who have it."""
    shop = await world.shop(slot_step_minutes=30, **made)
    tokens = []
    for minutes in (0, 30):
        answer = world.post(shop, wish(shop, tomorrow_noon() + timedelta(minutes=minutes)))
        assert answer.status_code == 201, answer.text
        tokens.append(answer.json()["token"])
    return shop, tokens


def cancel(world: World, token: str) -> None:
    assert world.call("DELETE", f"/v1/public/appointments/{token}").status_code == 200
