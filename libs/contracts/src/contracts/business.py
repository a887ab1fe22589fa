"""What a business offers: staff with their hours, services, reminder policy, profile. Compacted.

Each message is the whole entity under its key; `deleted` marks one that may no longer be booked, a tombstone
one that is erased. Local times are wall-clock times in the given zone.
"""

from datetime import date, time
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from contracts.booking import Channel
from contracts.model import Money, Record, TenantEvent

TOPIC = "business.catalog.v1"


class Hours(Record):
    """Open from `opens` to `closes` on one weekday; `closes` 00:00 means the end of that day."""

    weekday: int = Field(ge=0, le=6, description="0 is Monday.")
    opens: time
    closes: time


class Interval(Record):
    opens: time
    closes: time


class HoursException(Record):
    """Replaces the weekly hours of one local date; no interval means closed."""

    date: date
    intervals: list[Interval]


class CatalogEvent(TenantEvent):
    TOPIC: ClassVar[str] = TOPIC

    version: int = Field(ge=1, description="Rises with each change of the entity; readers ignore older ones.")
    deleted: bool = False


class StaffChanged(CatalogEvent):
    TYPE: ClassVar[str] = "business.staff.changed.v1"

    staff_id: UUID
    name: str
    timezone: str
    weekly_hours: list[Hours]
    exceptions: list[HoursException]

    @property
    def aggregate_id(self) -> str:
        return str(self.staff_id)


class ServiceChanged(CatalogEvent):
    TYPE: ClassVar[str] = "business.service.changed.v1"

    service_id: UUID
    name: str
    description: str
    duration_minutes: int = Field(ge=1)
    buffer_before_minutes: int = Field(ge=0)
    buffer_after_minutes: int = Field(ge=0)
    slot_step_minutes: int = Field(ge=1)
    minimum_notice_minutes: int = Field(ge=0)
    booking_window_days: int = Field(ge=1)
    cancellation_window_minutes: int = Field(ge=0)
    capacity: int = Field(ge=1, description="Places in one slot; more than one makes it a class.")
    requires_confirmation: bool
    price: Money
    staff_ids: list[UUID] = Field(description="Who performs it.")

    @property
    def aggregate_id(self) -> str:
        return str(self.service_id)


class ReminderRule(Record):
    rule_id: UUID
    offset_seconds: int = Field(ge=1, description="How long before the start.")
    channel: Channel


class PolicyChanged(CatalogEvent):
    """The business's reminder policy; each rule applies to each of its appointments."""

    TYPE: ClassVar[str] = "business.policy.changed.v1"

    rules: list[ReminderRule]

    @property
    def aggregate_id(self) -> str:
        return "policy"


class ProfileChanged(CatalogEvent):
    """How the business presents itself to its customers."""

    TYPE: ClassVar[str] = "business.profile.changed.v1"

    display_name: str
    description: str
    contact_email: str | None
    contact_phone: str | None
    address: str | None

    @property
    def aggregate_id(self) -> str:
        return "profile"
