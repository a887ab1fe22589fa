"""Request bodies and answers that several of booking's routes share."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from booking.domain import Answered, Appointment, CancelledBy, Customer, Person, Status
from booking.managing import Booked
from booking.placing import BookingRequest
from booking.questions import Given
from contracts.booking import Consent
from contracts.model import Money
from servicekit.errors import Invalid
from servicekit.http.models import Answer, Body, EmailAddress, Instant, Locale, Name, Phone, Text, TimeZone

StartsAt = Annotated[Instant, Field(description="RFC 3339 with offset; one of the starts that are offered.")]


TakenIds = Annotated[
    list[UUID],
    Field(description="The ids of all resources that it takes: staff first, then rooms and equipment."),
]

Canceller = Annotated[
    CancelledBy | None,
    Field(
        description="Who cancelled it; `system` where the business had not confirmed it by its start. Null where it"
        " is not cancelled, or was cancelled before this was recorded."
    ),
]


class ConsentBody(Body):
    """The channels by which the customer agreed to get messages."""

    email: bool
    sms: bool = False


class ContactBody(Body):
    name: Name
    email: EmailAddress | None = None
    phone: Phone | None = None
    locale: Locale | None = None

    def person(self, consent: ConsentBody) -> Person:
        """As the service layer takes them."""
        agreed = Consent(email=consent.email, sms=consent.sms)
        return Person(self.name, self.email, self.phone, self.locale, agreed)


class CustomerBody(ContactBody):
    """A customer who books online. They need an e-mail address, as the link to the appointment is sent there."""

    email: EmailAddress


class SlotBody(Body):
    service_id: UUID
    staff_id: UUID | None = Field(
        default=None,
        description="The staff member who must take part. Without it, those who are free and least busy.",
    )
    starts_at: StartsAt


def _text_or_truth(value: Any) -> str | bool:
    if not isinstance(value, str | bool):
        raise ValueError("must be a text, or true or false")
    return value


class AnswerBody(Body):
    question_id: UUID
    answer: Annotated[
        Any,
        AfterValidator(_text_or_truth),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "boolean"}]}),
    ] = Field(description="A text, one of the choices, or true or false for a checkbox.")

    def given(self) -> Given:
        """As booking.questions takes it."""
        return Given(self.question_id, self.answer)


Answers = Annotated[list[AnswerBody], Field(max_length=50, description="Answers to the service's questions.")]


class BookingBody(SlotBody):
    customer: ContactBody
    consent: ConsentBody
    timezone: TimeZone | None = Field(
        default=None, description="The time zone in which times are shown to the customer."
    )
    answers: Answers = Field(default_factory=list)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.consent.sms and self.customer.phone is None:
            raise Invalid.field("/customer/phone", "is needed for messages by SMS")
        if self.consent.email and self.customer.email is None:
            raise Invalid.field("/customer/email", "is needed for messages by e-mail")
        if self.customer.email is None and self.customer.phone is None:
            raise Invalid.field("/customer/email", "is needed, as there is no number")
        return self

    @property
    def person(self) -> Person:
        return self.customer.person(self.consent)

    def request(
        self, source: Literal["public", "staff"], *, hold_id: UUID | None = None, notes: str = ""
    ) -> BookingRequest:
        """As booking.placing takes it; `person` is whom it is for."""
        return BookingRequest(
            service_id=self.service_id,
            staff_id=self.staff_id,
            starts_at=self.starts_at,
            timezone=self.timezone,
            hold_id=hold_id,
            source=source,
            notes=notes,
            answers=[item.given() for item in self.answers],
        )


class MoveBody(Body):
    starts_at: StartsAt
    staff_id: UUID | None = Field(
        default=None,
        description="The staff member who must take part. Without it, the same people, if they are free.",
    )


class BookedAnswer(Answer):
    """A new appointment. The token is the customer's key to it: whoever holds it may change it."""

    id: UUID
    version: int
    status: Status
    starts_at: datetime
    ends_at: datetime
    timezone: str
    service_id: UUID
    staff_ids: TakenIds
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


class AppointmentEdit(Body):
    """Fields that are left out stay as they are. With `staff_id`, `starts_at` is required too."""

    starts_at: Instant | None = Field(default=None, description="The new start, RFC 3339 with offset.")
    staff_id: UUID | None = Field(
        default=None, description="The staff member to move it to. Without it, the same person, if free."
    )
    notes: Text | None = Field(default=None, description="Notes that only the business sees.")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.staff_id is not None and self.starts_at is None:
            raise Invalid.field("/starts_at", "is needed to move it to somebody")
        if self.starts_at is None and self.notes is None:
            raise Invalid.field("/", "must have `starts_at`, `notes` or both")
        return self


class CustomerAnswer(Answer):
    """`notes` are seen by the business only. An erased customer has `erased_at` and no personal data."""

    id: UUID
    version: int
    name: str
    email: str | None
    phone: str | None
    locale: str
    consent: Consent
    notes: str
    erased_at: datetime | None

    @classmethod
    def of(cls, customer: Customer) -> "CustomerAnswer":
        return cls(
            id=customer.customer_id,
            version=customer.version,
            name=customer.name,
            email=customer.email,
            phone=customer.phone,
            locale=customer.locale,
            consent=customer.consent,
            notes=customer.notes,
            erased_at=customer.erased_at,
        )


class AnsweredAnswer(Answer):
    """A customer's answer, with the question as it was worded then."""

    question_id: UUID
    label: str
    answer: str | bool

    @classmethod
    def of(cls, answered: Answered) -> "AnsweredAnswer":
        return cls.model_validate(answered)


class AppointmentAnswer(Answer):
    """An appointment as the business sees it. Notes do not raise its version, but its ETag changes with them."""

    id: UUID
    version: int
    status: Status
    cancelled_by: Canceller
    starts_at: datetime
    ends_at: datetime
    timezone: str
    service_id: UUID
    staff_ids: TakenIds
    price: Money
    source: str
    notes: str
    created_at: datetime
    series_id: UUID | None
    customer: CustomerAnswer
    answers: list[AnsweredAnswer]

    @classmethod
    def of(cls, appointment: Appointment, customer: Customer) -> "AppointmentAnswer":
        return cls(
            id=appointment.appointment_id,
            version=appointment.version,
            status=appointment.status,
            cancelled_by=appointment.cancelled_by,
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
            answers=[AnsweredAnswer.of(item) for item in appointment.answers],
        )
