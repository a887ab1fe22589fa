"""What a business offers: staff and resources with their hours, closed days, services, reminder policy, profile.
Compacted.

Each message is the whole entity under its key; `deleted` marks one that may no longer be booked, a tombstone
one that is erased. Local times are wall-clock times in the given zone.
"""

from datetime import date, time
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.booking import Channel
from contracts.model import Money, Record, TenantEvent, Timestamp

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


class TimeOff(Record):
    """From `starts_at` to `ends_at` somebody does not work, whatever their hours say."""

    time_off_id: UUID
    starts_at: Timestamp
    ends_at: Timestamp


class Holiday(Record):
    """A local date on which the business is closed."""

    date: date
    name: str


class ResourceNeed(Record):
    """So many places of these resources, for as long as the appointment takes its staff."""

    resource_ids: list[UUID] = Field(description="Any of them will do; the first that are free are taken.")
    count: int = Field(default=1, ge=1, description="How many places are needed at once.")


class Question(Record):
    """What the business wants to know of whoever books."""

    question_id: UUID
    label: str
    kind: Literal["text", "choice", "checkbox"]
    choices: list[str] = Field(default=[], description="For a choice: what can be answered.")
    required: bool = Field(default=False, description="A required checkbox has to be checked.")


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
    time_off: list[TimeOff] = Field(default=[])

    @property
    def aggregate_id(self) -> str:
        return str(self.staff_id)


class ResourceChanged(CatalogEvent):
    """A room, a chair, a device: something that services need beside staff."""

    TYPE: ClassVar[str] = "business.resource.changed.v1"

    resource_id: UUID
    name: str
    timezone: str
    capacity: int = Field(ge=1, description="How many identical ones there are: so many at once.")
    weekly_hours: list[Hours] | None = Field(description="Without any it is always open.")
    exceptions: list[HoursException]

    @property
    def aggregate_id(self) -> str:
        return str(self.resource_id)


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
    staff_count: int = Field(default=1, ge=1, description="How many of them at once: a team.")
    needs: list[ResourceNeed] = Field(default=[], description="What it takes beside staff; all of these.")
    questions: list[Question] = Field(default=[], description="Asked of whoever books.")

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


class HolidaysChanged(CatalogEvent):
    """The business's closed days. Nobody works on one who has no exception for it."""

    TYPE: ClassVar[str] = "business.holidays.changed.v1"

    days: list[Holiday]

    @property
    def aggregate_id(self) -> str:
        return "holidays"


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
