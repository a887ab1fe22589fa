"""What a message is, and what is decided about it: to send, to wait, or not to send at all, and why.

Pure: the caller (notification.delivery) brings what is known and the time.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.booking import Channel
from contracts.notification import Kind
from contracts.platform import TenantChanged, TenantState
from notification.quiet import QuietHours
from notification.suppression import Reason
from servicekit.localtime import zone_or

CustomerKind = Kind | Literal["waitlist-offer"]
"""The kinds of contracts.notification are about appointments; an offer to the waitlist is not about one yet."""
MessageKind = CustomerKind | Literal["webhook-disabled"]
EventReason = Literal["no-consent", "no-address", "stale", "quota", "erased", "suspended", "too-late"]
"""Why a message was suppressed, as `notification.message.suppressed.v1` says it."""
SuppressedFor = EventReason | Reason

_FIRST_BACKOFF = 1.0
_MAX_BACKOFF = 600.0
_REPEAT_FACTOR = 3
_FIRST_WAIT = 0.2
_MAX_WAIT = 5.0


class Status(StrEnum):
    """`queued` and `sending` are on their way; the others are final."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class AppointmentStatus(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    OFFERED = "offered"
    """Not booked: a time kept for somebody on the waitlist, under the id of the appointment that it may become."""


_FITTING: dict[CustomerKind, frozenset[AppointmentStatus]] = {
    "reminder": frozenset({AppointmentStatus.CONFIRMED}),
    "booked": frozenset({AppointmentStatus.PENDING, AppointmentStatus.CONFIRMED}),
    "rescheduled": frozenset({AppointmentStatus.PENDING, AppointmentStatus.CONFIRMED}),
    "confirmed": frozenset({AppointmentStatus.CONFIRMED}),
    "cancelled": frozenset({AppointmentStatus.CANCELLED}),
    "waitlist-offer": frozenset({AppointmentStatus.OFFERED}),
}
"""The states of its appointment in which a message of a kind is still true."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment as its last event told."""

    appointment_id: UUID
    version: int
    status: AppointmentStatus
    service_id: UUID
    staff_ids: tuple[UUID, ...]
    customer_id: UUID
    starts_at: datetime
    ends_at: datetime
    timezone: str
    cancelled_by: str | None = None
    customer_version: int | None = None
    """The customer's version when they booked, or were offered the time. Until that version has come, what is known
    of them, consent included, may be older than the booking."""

    @property
    def ran_out(self) -> bool:
        """Cancelled by nobody: the business had not confirmed it by its start."""
        return self.cancelled_by == "system"


@dataclass(frozen=True, slots=True)
class Customer:
    """A person who is written to; `erased` when only the id is left."""

    customer_id: UUID
    version: int
    erased: bool
    name: str
    email: str | None
    phone: str | None
    locale: str
    consent_email: bool
    consent_sms: bool

    def address(self, channel: Channel) -> str | None:
        """Where a message goes: an e-mail address, or a number in E.164."""
        return self.email if channel is Channel.EMAIL else self.phone

    def consents(self, channel: Channel) -> bool:
        return self.consent_email if channel is Channel.EMAIL else self.consent_sms


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that a customer is to get; queued once for its `cause` and `channel`, however often asked for."""

    tenant_id: UUID
    cause: str
    channel: Channel
    kind: CustomerKind
    appointment_id: UUID
    appointment_version: int
    customer_id: UUID
    starts_at: datetime
    expires_at: datetime
    """When it is no longer worth sending: at the start, after a while, or when the offer ends."""
    reminder_id: UUID | None = None
    due_at: datetime | None = None
    previous_starts_at: datetime | None = None
    entry_id: UUID | None = None
    """The entry of the waitlist that an offer is made to."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is stored; `attempts` counts those begun."""

    tenant_id: UUID
    message_id: UUID
    channel: Channel
    kind: MessageKind
    status: Status
    queued_at: datetime
    expires_at: datetime
    attempts: int
    counted_at: datetime | None
    repeated: bool
    repeated_at: datetime | None
    settled_at: datetime | None
    reason: str | None
    provider: str | None
    recipient: str | None
    segments: int | None
    held_until: datetime | None

    @property
    def unknown_fate(self) -> bool:
        """Handed over before, with an unknown outcome: the sender died before it was written, or got no answer."""
        return self.status is Status.SENDING


@dataclass(frozen=True, slots=True)
class CustomerMessage(Message):
    """To the customer of an appointment, from the business."""

    kind: CustomerKind
    appointment_id: UUID
    appointment_version: int
    customer_id: UUID
    reminder_id: UUID | None
    due_at: datetime | None
    starts_at: datetime
    previous_starts_at: datetime | None
    entry_id: UUID | None


@dataclass(frozen=True, slots=True)
class OwnerMessage(Message):
    """To the business's owner, from the platform: a webhook endpoint was disabled, at `disabled_at`."""

    endpoint_id: UUID
    disabled_at: datetime


@dataclass(frozen=True, slots=True)
class Send:
    """Send it, to this address."""

    address: str


@dataclass(frozen=True, slots=True)
class Wait:
    """An event that it needs has not come yet; `missing` names what, in CamelCase, as it may become the reason."""

    missing: str


@dataclass(frozen=True, slots=True)
class Hold:
    """It is due in the business's quiet hours, and waits for their end."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Suppress:
    """Do not send it."""

    reason: SuppressedFor


@dataclass(frozen=True, slots=True)
class Fail:
    """It cannot be sent any more."""

    reason: str


Decision = Send | Wait | Hold | Suppress | Fail


def decide(
    message: CustomerMessage,
    tenant: TenantChanged | None,
    appointment: Appointment | None,
    customer: Customer | None,
    now: datetime,
    *,
    unwanted: Reason | None = None,
    quiet: QuietHours | None = None,
) -> Decision:
    """What is to become of a message to a customer whose turn it is, quotas aside.

    `unwanted` is why nothing of its kind goes to its address any more, `quiet` the business's quiet hours.
    """
    if customer is not None and customer.erased:
        return Suppress("erased")
    if now >= message.expires_at:
        return _too_late(message)
    if tenant is None:
        return Wait("UnknownBusiness")
    if tenant.state is not TenantState.ACTIVE:
        return Suppress("suspended")
    decision = _by_appointment(message, appointment) or _by_customer(message, appointment, customer, unwanted)
    if isinstance(decision, Send) and quiet is not None and appointment is not None:
        return _by_quiet_hours(message, tenant, appointment, quiet, now) or decision
    return decision


def decide_for_owner(
    message: OwnerMessage, tenant: TenantChanged | None, now: datetime, *, stands: bool, bounced: bool
) -> Decision:
    """What is to become of a message to the owner whose turn it is.

    `stands` says whether its endpoint is still disabled, `bounced` whether the suppression list has the owner's
    address as bounced: the list's other reasons are customers' wishes. Quiet hours do not hold it, as they are for
    customers, and each hour costs events. A suspended business is told: its endpoints go on being called.
    """
    if now >= message.expires_at:
        return _too_late(message)
    if tenant is None:
        return Wait("UnknownBusiness")
    if tenant.state is TenantState.DELETING:
        return Suppress("suspended")
    if not stands:
        return Suppress("stale")
    return Suppress("bounced") if bounced else Send(tenant.owner.email)


def _too_late(message: Message) -> Decision:
    return Fail("Unreachable") if message.attempts else Suppress("too-late")


def _by_appointment(message: CustomerMessage, appointment: Appointment | None) -> Decision | None:
    """None when the message is still true of its appointment."""
    if appointment is None or appointment.version < message.appointment_version:
        return Wait("UnknownAppointment")
    if appointment.starts_at != message.starts_at or appointment.status not in _FITTING[message.kind]:
        return Suppress("stale")
    return None


def _by_customer(
    message: CustomerMessage,
    appointment: Appointment | None,
    customer: Customer | None,
    unwanted: Reason | None,
) -> Decision:
    known_since = appointment.customer_version if appointment is not None else None
    if customer is None or (known_since is not None and customer.version < known_since):
        return Wait("UnknownCustomer")
    address = customer.address(message.channel)
    if not address:
        return Suppress("no-address")
    if not customer.consents(message.channel):
        return Suppress("no-consent")
    return Suppress(unwanted) if unwanted is not None else Send(address)


def _by_quiet_hours(
    message: CustomerMessage,
    tenant: TenantChanged,
    appointment: Appointment,
    quiet: QuietHours,
    now: datetime,
) -> Hold | None:
    # An offer to the waitlist would have gone to the next in line by the morning.
    waits = message.kind == "reminder" or (quiet.notices and message.kind != "waitlist-offer")
    if message.channel not in quiet.channels or not waits:
        return None
    zone = zone_or(appointment.timezone, zone_or(tenant.timezone, ZoneInfo("UTC")))
    until = quiet.hold_until(now, zone, message.expires_at)
    return Hold(until) if until is not None else None


def reason_and_detail(reason: SuppressedFor) -> tuple[EventReason, Reason | None]:
    """What the event says: a reason, and as its detail why the address is on the suppression list."""
    match reason:
        case "bounced":
            return "no-address", reason
        case "unsubscribed" | "complaint" | "by-hand":
            return "no-consent", reason
        case _:
            return reason, None


def backoff(attempts: int) -> timedelta:
    """How long to leave a message alone after its nth failed attempt: doubling, a little at random, capped."""
    pause = min(_MAX_BACKOFF, _FIRST_BACKOFF * 2 ** min(attempts - 1, 20))
    return timedelta(seconds=pause * random.uniform(0.75, 1))  # noqa: S311 - jitter


def repeat_pause(since: datetime, now: datetime) -> timedelta:
    """How long to leave a message alone that may have arrived already, and has been repeated since `since`.

    Three times as long as the repeats have gone on, as a server that takes a mail but is too slow to say so does
    that each time: a repeat every ten minutes until the appointment would make hundreds.
    """
    return _REPEAT_FACTOR * (now - since)


def next_check(queued_at: datetime, now: datetime) -> datetime:
    """When to check again for what a message waits for: soon at first, more rarely as it waits."""
    waited = (now - queued_at).total_seconds()
    return now + timedelta(seconds=min(_MAX_WAIT, max(_FIRST_WAIT, waited / 4)))


def masked(address: str, channel: Channel) -> str:
    """An address that its owner recognises and nobody else can use: `a***@example.com`, `+351*****78`."""
    if channel is Channel.EMAIL:
        local, _, domain = address.rpartition("@")
        return f"{local[:1]}***@{domain}"
    return f"{address[:4]}{'*' * max(0, len(address) - 6)}{address[-2:]}" if len(address) > 8 else "***"
