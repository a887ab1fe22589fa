"""What booking tells: appointments, the reminders they ask for, and customers (compacted, erasable).

Appointment and reminder events carry ids and times only. The customer's name, address and number travel only
in booking.customer.v1, keyed by the customer, so that a tombstone erases them.
"""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.model import Money, Record, TenantEvent, Timestamp


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class AppointmentEvent(TenantEvent):
    """What every appointment event tells: the appointment as it stands after the change."""

    TOPIC: ClassVar[str] = "booking.appointment.v1"

    appointment_id: UUID
    version: int = Field(ge=1, description="Rises by one with each change of the appointment.")
    service_id: UUID
    staff_ids: list[UUID] = Field(description="Every resource that the appointment takes; usually one.")
    customer_id: UUID
    starts_at: Timestamp
    ends_at: Timestamp
    timezone: str = Field(description="IANA zone in which the customer reads the time.")
    price: Money | None = None
    occurred_at: Timestamp

    @property
    def aggregate_id(self) -> str:
        return str(self.appointment_id)


class AppointmentBooked(AppointmentEvent):
    TYPE: ClassVar[str] = "booking.appointment.booked.v1"
    source: Literal["public", "staff", "waitlist"]
    confirmed: bool = Field(description="False while the business has still to confirm.")
    customer_version: int | None = Field(
        default=None,
        description="The customer's, as this booking made it; who writes to them needs it or a later one.",
    )


class AppointmentConfirmed(AppointmentEvent):
    TYPE: ClassVar[str] = "booking.appointment.confirmed.v1"


class AppointmentRescheduled(AppointmentEvent):
    TYPE: ClassVar[str] = "booking.appointment.rescheduled.v1"
    previous_starts_at: Timestamp
    rescheduled_by: Literal["customer", "staff"]


class AppointmentCancelled(AppointmentEvent):
    TYPE: ClassVar[str] = "booking.appointment.cancelled.v1"
    cancelled_by: Literal["customer", "staff", "system"] = Field(
        description="`system` when the business has not confirmed it by its start."
    )


class AppointmentCompleted(AppointmentEvent):
    TYPE: ClassVar[str] = "booking.appointment.completed.v1"


class AppointmentNoShow(AppointmentEvent):
    TYPE: ClassVar[str] = "booking.appointment.no-show.v1"


class ReminderRequested(TenantEvent):
    """A message wanted at `due_at`, unless withdrawn; never after the appointment has started."""

    TYPE: ClassVar[str] = "booking.reminder.requested.v1"
    TOPIC: ClassVar[str] = "booking.reminder.v1"

    reminder_id: UUID = Field(description="One for each (appointment version, rule); never reused.")
    appointment_id: UUID
    appointment_version: int
    rule_id: UUID
    channel: Channel
    service_id: UUID
    staff_ids: list[UUID]
    customer_id: UUID
    due_at: Timestamp
    starts_at: Timestamp
    timezone: str

    @property
    def aggregate_id(self) -> str:
        return str(self.appointment_id)


class ReminderWithdrawn(TenantEvent):
    TYPE: ClassVar[str] = "booking.reminder.withdrawn.v1"
    TOPIC: ClassVar[str] = "booking.reminder.v1"

    reminder_id: UUID
    appointment_id: UUID
    reason: Literal["cancelled", "rescheduled", "policy-changed", "completed", "erased"]

    @property
    def aggregate_id(self) -> str:
        return str(self.appointment_id)


class WaitlistOffered(TenantEvent):
    """A time that has become free is kept for somebody on the waitlist, until they take it or `expires_at`."""

    TYPE: ClassVar[str] = "booking.waitlist.offered.v1"
    TOPIC: ClassVar[str] = "booking.waitlist.v1"

    entry_id: UUID = Field(description="Who waits; the same for each of their offers.")
    offer_id: UUID = Field(description="Becomes the appointment's id when the offer is taken.")
    service_id: UUID
    staff_ids: list[UUID]
    customer_id: UUID
    starts_at: Timestamp
    ends_at: Timestamp
    timezone: str = Field(description="IANA zone in which the customer reads the time.")
    expires_at: Timestamp
    occurred_at: Timestamp
    customer_version: int | None = Field(
        default=None,
        description="The customer's at the time of the offer; who writes to them needs it or a later one.",
    )

    @property
    def aggregate_id(self) -> str:
        return str(self.entry_id)


class Consent(Record):
    email: bool
    sms: bool


class CustomerChanged(TenantEvent):
    """A customer as booking knows them; a tombstone under the same key erases the person."""

    TYPE: ClassVar[str] = "booking.customer.changed.v1"
    TOPIC: ClassVar[str] = "booking.customer.v1"

    customer_id: UUID
    version: int
    name: str
    email: str | None
    phone: str | None = Field(description="E.164.")
    locale: str
    consent: Consent

    @property
    def aggregate_id(self) -> str:
        return str(self.customer_id)
