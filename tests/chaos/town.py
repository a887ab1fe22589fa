"""The businesses of a chaos run: as the events that tell of them, and as the history's setup record has them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from contracts.booking import Channel
from contracts.business import (
    Hours,
    PolicyChanged,
    ReminderRule,
    ResourceChanged,
    ResourceNeed,
    ServiceChanged,
    StaffChanged,
)
from contracts.model import Event, Money
from contracts.platform import TenantChanged
from servicekit.ids import new_id
from support.tenants import new_tenant

STEP = timedelta(minutes=15)
AHEAD = timedelta(hours=6)
"""From the run's begin to the first appointment: the clocks are put forward to it only when all is quiet."""
_BATH = frozenset({"Bath"})
_ALL_DAY = [Hours(weekday=day, opens=time(0), closes=time(0)) for day in range(7)]
_SERVICES: tuple[dict[str, Any], ...] = (
    {"name": "Cut", "duration_minutes": 30, "buffer_after_minutes": 5},
    {"name": "Long", "duration_minutes": 60, "buffer_before_minutes": 10},
    {"name": "Class", "duration_minutes": 45, "capacity": 4},
    {"name": "Talk", "duration_minutes": 15, "requires_confirmation": True},
    {"name": "Bath", "duration_minutes": 30, "buffer_after_minutes": 5},
    {"name": "Move", "duration_minutes": 30, "staff_count": 2},
)


@dataclass(frozen=True)
class Shop:
    """One business."""

    tenant: TenantChanged
    staff: tuple[StaffChanged, ...]
    room: ResourceChanged
    services: tuple[ServiceChanged, ...]
    policy: PolicyChanged

    @property
    def id(self) -> UUID:
        return self.tenant.tenant_id

    @property
    def events(self) -> list[Event]:
        """What tells of it, the tenant first."""
        return [self.tenant, *self.staff, self.room, *self.services, self.policy]

    def setup(self) -> dict[str, Any]:
        """As the checker knows it; lengths in seconds."""
        return {
            "id": str(self.id),
            "zone": self.tenant.timezone,
            "staff": [
                {"id": str(member.staff_id)} | somebody(member.model_dump(mode="json"))
                for member in self.staff
            ],
            "rooms": [{"id": str(self.room.resource_id), "capacity": self.room.capacity}],
            "policy": {"id": policy_id(self.id), "version": self.policy.version}
            | policy_of(self.policy.model_dump(mode="json")["rules"]),
            "services": [
                {"id": str(service.service_id)} | service_of(service.model_dump(mode="json"))
                for service in self.services
            ],
        }


def service_of(told: dict[str, Any]) -> dict[str, Any]:
    """What of a service the history has, of what business answers or an event says; lengths in seconds."""
    return {
        "duration": told["duration_minutes"] * 60,
        "before": told["buffer_before_minutes"] * 60,
        "after": told["buffer_after_minutes"] * 60,
        "capacity": told["capacity"],
        "step": told["slot_step_minutes"] * 60,
        "staff": sorted(told["staff_ids"]),
        "team": told["staff_count"],
        "needs": needs_of(told["needs"]),
    }


def needs_of(told: Iterable[dict[str, Any]]) -> list[list[Any]]:
    """Of what a service needs beside staff, (any of these rooms, how many)."""
    return [[sorted(need["resource_ids"]), need["count"]] for need in told]


def somebody(told: dict[str, Any]) -> dict[str, Any]:
    """The same of a member of staff; also from booking's own row."""
    return {
        "zone": told["timezone"],
        "weekly": sorted([item["weekday"], *_span(item)] for item in told["weekly_hours"]),
        "exceptions": {
            item["date"]: sorted(_span(span) for span in item["intervals"]) for item in told["exceptions"]
        },
    }


def policy_id(tenant_id: object) -> str:
    """What the history calls a business's reminder policy."""
    return f"{tenant_id}/policy"


def followed_id(tenant_id: object) -> str:
    """And of what it calls that all appointments follow it."""
    return f"{tenant_id}/followed"


def policy_of(rules: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The same of a reminder policy: (seconds before the start, channel) of each rule, beside them their ids."""
    told = sorted(
        (rule["offset_seconds"], rule["channel"], rule.get("id") or rule["rule_id"]) for rule in rules
    )
    return {"rules": [[offset, channel] for offset, channel, _ in told], "ids": [item[2] for item in told]}


def _span(item: dict[str, str]) -> list[str]:
    return [item["opens"][:5], item["closes"][:5]]


def first_start() -> datetime:
    """The first appointment of a run that begins now."""
    quarters = int((datetime.now(UTC) + AHEAD).timestamp() // STEP.total_seconds()) + 1
    return datetime.fromtimestamp(quarters * STEP.total_seconds(), UTC)


def shop(
    first: datetime,
    *,
    staff: int = 3,
    rooms: int = 2,
    in_rooms: frozenset[str] = _BATH,
    reminders: bool = True,
) -> Shop:
    """Reminders of the first appointments come due some seconds from now, those of the next hours in an hour.

    There are fewer rooms, all alike, than people who would use one for the services that need it.
    """
    tenant = new_tenant()
    tenant_id = tenant.tenant_id
    members = tuple(
        StaffChanged(
            tenant_id=tenant_id,
            staff_id=new_id(),
            version=1,
            name=f"Ada {n}",
            timezone="Europe/Lisbon",
            weekly_hours=_ALL_DAY,
            exceptions=[],
        )
        for n in range(staff)
    )
    room = ResourceChanged(
        tenant_id=tenant_id,
        resource_id=new_id(),
        version=1,
        name="Room",
        timezone="Europe/Lisbon",
        capacity=rooms,
        weekly_hours=None,
        exceptions=[],
    )
    staff_ids, need = [member.staff_id for member in members], ResourceNeed(resource_ids=[room.resource_id])
    services = tuple(
        _service(tenant_id, staff_ids, fields, needs=[need] if fields["name"] in in_rooms else [])
        for fields in _SERVICES
    )
    ahead = int((first - datetime.now(UTC)).total_seconds())
    offsets = [ahead - 12, ahead - 20, int(AHEAD.total_seconds()) - 3600] if reminders else []
    rules = [ReminderRule(rule_id=new_id(), offset_seconds=n, channel=Channel.EMAIL) for n in offsets]
    return Shop(tenant, members, room, services, PolicyChanged(tenant_id=tenant_id, version=1, rules=rules))


def _service(
    tenant_id: UUID, staff_ids: list[UUID], fields: dict[str, Any], *, needs: list[ResourceNeed]
) -> ServiceChanged:
    given: dict[str, Any] = {
        "tenant_id": tenant_id,
        "service_id": new_id(),
        "version": 1,
        "description": "",
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "slot_step_minutes": 15,
        "minimum_notice_minutes": 0,
        "booking_window_days": 60,
        "cancellation_window_minutes": 0,
        "capacity": 1,
        "requires_confirmation": False,
        "price": Money(amount=2500, currency="EUR"),
        "staff_ids": staff_ids,
        "needs": needs,
    }
    return ServiceChanged(**given | fields)
