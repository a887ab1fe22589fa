"""What the owner of a business does at the business service: enters what it offers, and changes that later.

A change asks for the whole of a service or of the reminder policy, or for the hours, one day or the zone of a
member of staff; its `set` is what the checker will look for.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from chaos.town import Shop, policy_id, policy_of, service_of, somebody
from contracts.business import ReminderRule, ServiceChanged, StaffChanged

CHANGES = {"change-service": 4, "change-hours": 2, "change-day": 2, "change-zone": 1, "change-room": 1}
"""What owners change, by how often, beside what clients do."""
POLICY = "change-policy"
"""Beside these, and seldom: each change concerns all of the business's appointments."""
_RULES = [(hours * 3600, channel) for hours in (3, 4, 5) for channel in ("email", "sms")]
"""A rule that comes back is a new one. With shorter ones, appointments might begin before they come due: clocks are
put forward by hours."""
_SOON = 8, 240
"""In so many seconds, from and to, a reminder comes due while the run goes on."""
_STEPS = (15, 15, 15, 30)
_LONGER = (0, 0, 15, 30)
_BUFFERS = (0, 0, 5, 10)
_CAPACITIES = (4, 4, 3, 2, 1, 6)
_ROOMS = (2, 2, 1, 3)
_ALL_DAY = [["00:00", "00:00"]]
_DAYS: tuple[list[list[str]], ...] = (_ALL_DAY, _ALL_DAY, [["00:00", "12:00"]], [["12:00", "00:00"]], [])
_ZONES = ("Europe/Lisbon", "Europe/Lisbon", "Asia/Kathmandu", "America/St_Johns")
"""Some whose midnight is no full hour elsewhere, so that it is told apart by the starts of half an hour."""


@dataclass(frozen=True)
class Change:
    """A request; `keep` makes of its answer what the history has."""

    method: str
    path: str
    body: dict[str, Any]
    args: dict[str, Any]
    keep: Callable[[dict[str, Any]], dict[str, Any]]


def enter(shop: Shop, owner: httpx.Client) -> Shop:
    """All of a business that business knows by name only; answers it with the ids that it was given."""
    members = []
    for member in shop.staff:
        told = member.model_dump(mode="json")
        body = {name: told[name] for name in ("name", "timezone", "weekly_hours")}
        answer = _done(owner.post("/v1/staff", json=body))
        members.append(member.model_copy(update={"staff_id": UUID(answer["id"])}))
    ids = {before.staff_id: after.staff_id for before, after in zip(shop.staff, members, strict=True)}
    answer = _done(owner.post("/v1/resources", json={"name": shop.room.name, "capacity": shop.room.capacity}))
    room = shop.room.model_copy(update={"resource_id": UUID(answer["id"])})
    services = []
    for service in shop.services:
        needs = [need.model_copy(update={"resource_ids": [room.resource_id]}) for need in service.needs]
        staff_ids = [ids[each] for each in service.staff_ids]
        moved = service.model_copy(update={"staff_ids": staff_ids, "needs": needs})
        answer = _done(owner.post("/v1/services", json=_body(moved)))
        services.append(moved.model_copy(update={"service_id": UUID(answer["id"])}))
    rules = [{"offset_seconds": rule.offset_seconds, "channel": rule.channel} for rule in shop.policy.rules]
    answer = _done(owner.put("/v1/reminder-policy", json={"rules": rules}, headers={"If-Match": "*"}))
    given = [
        ReminderRule(rule_id=rule["id"], offset_seconds=rule["offset_seconds"], channel=rule["channel"])
        for rule in answer["rules"]
    ]
    policy = shop.policy.model_copy(update={"version": answer["version"], "rules": given})
    return replace(shop, staff=tuple(members), room=room, services=tuple(services), policy=policy)


def _done(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


def change(kind: str, shop: Shop, chance: random.Random, starts: Sequence[datetime]) -> Change:
    """One of CHANGES or of the policy, of somebody or something that `chance` picks."""
    if kind == POLICY:
        return _change_policy(shop, chance, starts)
    if kind == "change-room":
        return _change_room(shop, chance)
    if kind == "change-service":
        return _change_service(chance.choice(shop.services), chance)
    member = chance.choice(shop.staff)
    path = f"/v1/staff/{member.staff_id}"
    if kind == "change-zone":
        zone = chance.choice(_ZONES)
        return _change_staff(member, "PATCH", path, {"timezone": zone}, {"zone": zone})
    start = chance.choice(starts)
    if kind == "change-day":
        day, spans = start.date().isoformat(), chance.choice(_DAYS)
        body = {"intervals": [{"opens": opens, "closes": closes} for opens, closes in spans]}
        return _change_staff(member, "PUT", f"{path}/exceptions/{day}", body, {"exceptions": {day: spans}})
    spans = _hours(start.hour) if chance.random() < 0.4 else _ALL_DAY
    weekly = [[day, *span] for day in range(7) for span in spans]
    hours = [{"weekday": day, "opens": opens, "closes": closes} for day, opens, closes in weekly]
    return _change_staff(member, "PUT", f"{path}/hours", {"weekly_hours": hours}, {"weekly": weekly})


def _change_room(shop: Shop, chance: random.Random) -> Change:
    """How many there are; what is taken of more than that stays taken."""
    key, wanted = str(shop.room.resource_id), {"capacity": chance.choice(_ROOMS)}

    def keep(answer: dict[str, Any]) -> dict[str, Any]:
        return _kept(answer, {"capacity": answer["capacity"]})

    return Change("PATCH", f"/v1/resources/{key}", wanted, {"id": key, "set": wanted}, keep)


def _change_policy(shop: Shop, chance: random.Random, starts: Sequence[datetime]) -> Change:
    """Some of the rules that there are, and perhaps one by which somebody is reminded soon."""
    wanted = {pair for pair in _RULES if chance.random() < 0.3}
    if chance.random() < 0.5:
        ahead = chance.choice(starts[:8]) - datetime.now(UTC)
        wanted.add((int(ahead.total_seconds()) - chance.randint(*_SOON), "email"))
    rules = [list(pair) for pair in sorted(wanted)]
    key = policy_id(shop.id)
    return Change(
        "PUT",
        "/v1/reminder-policy",
        {"rules": [{"offset_seconds": offset, "channel": channel} for offset, channel in rules]},
        {"id": key, "set": {"rules": rules}},
        lambda answer: _kept(answer | {"id": key}, policy_of(answer["rules"])),
    )


def _hours(hour: int) -> list[list[str]]:
    """All day but for an hour; those of the night stay, as no clock may skip where hours begin."""
    if not 4 <= hour <= 22:
        return _ALL_DAY
    return [["00:00", f"{hour:02}:00"], [f"{hour + 1:02}:00", "00:00"]]


def _change_service(service: ServiceChanged, chance: random.Random) -> Change:
    """Of a class its places, too; and everybody performs it, or one of them does not for a while."""
    staff = list(service.staff_ids)
    if chance.random() < 0.3:
        staff.remove(chance.choice(staff))
    changed = service.model_copy(
        update={
            "duration_minutes": service.duration_minutes + chance.choice(_LONGER),
            "buffer_before_minutes": chance.choice(_BUFFERS),
            "buffer_after_minutes": chance.choice(_BUFFERS),
            "slot_step_minutes": chance.choice(_STEPS),
            "capacity": chance.choice(_CAPACITIES) if service.capacity > 1 else 1,
            "staff_ids": staff,
        }
    )
    wanted = service_of(changed.model_dump(mode="json"))
    args = {"id": str(service.service_id), "set": wanted}
    path = f"/v1/services/{service.service_id}"
    return Change("PUT", path, _body(changed), args, lambda answer: _kept(answer, service_of(answer)))


def _body(service: ServiceChanged) -> dict[str, Any]:
    """As business takes it."""
    told = service.model_dump(mode="json")
    left_out = {"tenant_id", "service_id", "version", "deleted", "price", "questions"}
    body = {name: value for name, value in told.items() if name not in left_out}
    return body | {"price_amount": service.price.amount}


def _change_staff(
    member: StaffChanged, method: str, path: str, body: dict[str, Any], wanted: dict[str, Any]
) -> Change:
    args = {"id": str(member.staff_id), "set": wanted}
    return Change(method, path, body, args, lambda answer: _kept(answer, somebody(answer)))


def _kept(answer: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    return {"id": answer["id"], "version": answer["version"], "values": values}
