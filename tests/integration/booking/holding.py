"""How tests hold slots, give them back, and let them run out."""

from datetime import datetime
from typing import Any

import httpx

from integration.booking.world import Shop, World


def keep(
    world: World, shop: Shop, starts_at: datetime, *, address: str = "", key: str = ""
) -> httpx.Response:
    """Asks for a hold, as the gateway would for somebody at the address, or past it."""
    slot = {"service_id": str(shop.service_id), "starts_at": starts_at.isoformat()}
    headers = {"X-Forwarded-For": address, "Idempotency-Key": key}
    given = {name: value for name, value in headers.items() if value}
    return world.call("POST", f"/v1/public/{shop.tenant.slug}/holds", json=slot, headers=given)


def kept(world: World, shop: Shop, starts_at: datetime, **sent: Any) -> str:
    """The id of a new hold."""
    answer = keep(world, shop, starts_at, **sent)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def give_back(world: World, shop: Shop, hold_id: str) -> httpx.Response:
    return world.call("DELETE", f"/v1/public/{shop.tenant.slug}/holds/{hold_id}")


def let_run_out(world: World, hold_id: str) -> None:
    """As time would; nobody sweeps here."""
    past = "held_until = now() - interval '1 s' WHERE hold_id = %s RETURNING 1"
    assert world.rows(f"UPDATE allocation SET {past}", hold_id)
    assert world.rows(f"UPDATE hold SET {past.replace('held_until', 'expires_at')}", hold_id)
