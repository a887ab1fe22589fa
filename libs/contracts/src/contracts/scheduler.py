"""What the scheduler tells: a reminder's time has come."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from contracts.booking import Channel
from contracts.model import TenantEvent, Timestamp


class ReminderDue(TenantEvent):
    """Published once for each reminder neither withdrawn nor overtaken by its appointment's start."""

    TYPE: ClassVar[str] = "scheduler.reminder.due.v1"
    TOPIC: ClassVar[str] = "scheduler.reminder.v1"

    reminder_id: UUID
    appointment_id: UUID
    appointment_version: int
    rule_id: UUID
    channel: Channel
    service_id: UUID
    staff_ids: list[UUID]
    customer_id: UUID
    due_at: Timestamp = Field(description="When it was to fire.")
    fired_at: Timestamp = Field(description="When it did.")
    starts_at: Timestamp
    timezone: str

    @property
    def aggregate_id(self) -> str:
        return str(self.appointment_id)
