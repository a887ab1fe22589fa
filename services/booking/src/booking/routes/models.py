"""Request bodies and answers that several of booking's routes share."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from booking.domain import Appointment, Customer, Status
from booking.managing import Booked
from booking.placing import BookingRequest
from contracts.booking import Consent
from contracts.model import Money
from servicekit.errors import Invalid
from servicekit.http.models import Answer, Body, EmailAddress, Instant, Locale, Name, Phone, TimeZone

StartsAt = Annotated[Instant, Field(description="RFC 3339 with offset; one of the offered starts.")]


class ConsentBody(Body):
    """What the customer agreed to be told by."""

    email: bool
    sms: bool = False


class CustomerBody(Body):
    name: Name
    email: EmailAddress
    phone: Phone | None = None
    locale: Locale | None = None


class SlotBody(Body):
    service_id: UUID
    staff_id: UUID | None = Field(default=None, description="Without it whoever is free and least busy.")
    starts_at: StartsAt


class BookingBody(SlotBody):
    customer: CustomerBody
    consent: ConsentBody
    timezone: TimeZone | None = Field(default=None, description="In which the customer reads the time.")

    @model_validator(mode="after")
    def _sms_needs_a_number(self) -> Self:
        if self.consent.sms and self.customer.phone is None:
            raise Invalid.field("/customer/phone", "is needed for messages by SMS")
        return self

    def request(
        self, source: Literal["public", "staff"], *, hold_id: UUID | None = None, notes: str = ""
    ) -> BookingRequest:
        """As booking.placing takes it."""
        return BookingRequest(
            service_id=self.service_id,
            staff_id=self.staff_id,
            starts_at=self.starts_at,
            name=self.customer.name,
            email=self.customer.email,
            phone=self.customer.phone,
            locale=self.customer.locale,
            consent=Consent(email=self.consent.email, sms=self.consent.sms),
            timezone=self.timezone,
            hold_id=hold_id,
            source=source,
            notes=notes,
        )


class MoveBody(Body):
    starts_at: StartsAt
    staff_id: UUID | None = Field(default=None, description="Without it the same person, if free.")


class BookedAnswer(Answer):
    """A new appointment. The token is the customer's key to it: whoever holds it may change it."""

    id: UUID
    version: int
    status: Status
    starts_at: datetime
    ends_at: datetime
    timezone: str
    service_id: UUID
    staff_ids: list[UUID]
    price: Money
    manage_url: str
    token: str

    @classmethod
    def of(cls, booked: Booked) -> "BookedAnswer":
        appointment = booked.appointment
        return cls(
            id=appointment.appointment_id,
            version=appointment.version,
            status=appointment.status,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            timezone=appointment.timezone,
            service_id=appointment.service_id,
            staff_ids=list(appointment.resource_ids),
            price=Money(amount=appointment.price_amount, currency=appointment.currency),
            manage_url=booked.manage_url,
            token=booked.token,
        )


class CustomerAnswer(Answer):
    id: UUID
    name: str
    email: str | None
    phone: str | None
    locale: str
    consent: Consent

    @classmethod
    def of(cls, customer: Customer) -> "CustomerAnswer":
        return cls(
            id=customer.customer_id,
            name=customer.name,
            email=customer.email,
            phone=customer.phone,
            locale=customer.locale,
            consent=customer.consent,
        )


class AppointmentAnswer(Answer):
    """An appointment as the business sees it."""

    id: UUID
    version: int
    status: Status
    starts_at: datetime
    ends_at: datetime
    timezone: str
    service_id: UUID
    staff_ids: list[UUID]
    price: Money
    source: str
    notes: str
    created_at: datetime
    series_id: UUID | None
    customer: CustomerAnswer

    @classmethod
    def of(cls, appointment: Appointment, customer: Customer) -> "AppointmentAnswer":
        return cls(
            id=appointment.appointment_id,
            version=appointment.version,
            status=appointment.status,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            timezone=appointment.timezone,
            service_id=appointment.service_id,
            staff_ids=list(appointment.resource_ids),
            price=Money(amount=appointment.price_amount, currency=appointment.currency),
            source=appointment.source,
            notes=appointment.notes,
            created_at=appointment.created_at,
            series_id=appointment.series_id,
            customer=CustomerAnswer.of(customer),
        )
