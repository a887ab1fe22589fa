"""notification's tables: functions that take the transaction's connection and never commit.

Called by the consumers, the delivery of messages, the mock provider, the service layer and, for mails to owners,
notification.webhooks.delivery. Of what other services tell the latest version stays, in whatever order it comes.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentEvent,
    Channel,
    CustomerChanged,
    WaitlistOffered,
)
from contracts.business import ProfileChanged
from contracts.platform import TenantChanged
from notification import rules_store
from notification.domain import (
    Appointment,
    AppointmentStatus,
    Customer,
    CustomerMessage,
    Message,
    OwnerMessage,
    Status,
    Wanted,
)
from notification.suppression import digests_of
from servicekit.db import Connection, affected
from servicekit.ids import new_id
from servicekit.queries import Queries

_SQL = Queries("notification")


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that was due at `due_at` and is ours until `lease_ends`; one to the owner has no customer."""

    tenant_id: UUID
    message_id: UUID
    customer_id: UUID | None
    due_at: datetime
    lease_ends: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """How a business presents itself."""

    display_name: str
    contact_email: str | None
    address: str | None


async def _one(conn: Connection, statement: bytes, **values: Any) -> dict[str, Any] | None:
    return await (await conn.execute(statement, values)).fetchone()


# what other services tell


async def put_appointment(
    conn: Connection, event: AppointmentEvent, status: AppointmentStatus | None
) -> None:
    """`status` is None when the event does not tell whether the appointment is confirmed."""
    values = {
        "tenant_id": event.tenant_id,
        "appointment_id": event.appointment_id,
        "version": event.version,
        "status": status.value if status else None,
        "service_id": event.service_id,
        "staff_ids": event.staff_ids,
        "customer_id": event.customer_id,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "timezone": event.timezone,
        "cancelled_by": event.cancelled_by if isinstance(event, AppointmentCancelled) else None,
        "customer_version": event.customer_version if isinstance(event, AppointmentBooked) else None,
    }
    await conn.execute(_SQL.put_appointment, values)


async def put_offered(conn: Connection, event: WaitlistOffered) -> None:
    """As version 0 of the appointment that it may become, which any event about that appointment replaces."""
    values = {
        "tenant_id": event.tenant_id,
        "appointment_id": event.offer_id,
        "version": 0,
        "status": AppointmentStatus.OFFERED.value,
        "service_id": event.service_id,
        "staff_ids": event.staff_ids,
        "customer_id": event.customer_id,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "timezone": event.timezone,
        "cancelled_by": None,
        "customer_version": event.customer_version,
    }
    await conn.execute(_SQL.put_appointment, values)


async def appointment(conn: Connection, tenant_id: UUID, appointment_id: UUID) -> Appointment | None:
    row = await _one(conn, _SQL.appointment, tenant_id=tenant_id, appointment_id=appointment_id)
    if row is None:
        return None
    return Appointment(
        **row | {"status": AppointmentStatus(row["status"]), "staff_ids": tuple(row["staff_ids"])}
    )


async def put_customer(conn: Connection, event: CustomerChanged) -> None:
    values = {
        "tenant_id": event.tenant_id,
        "customer_id": event.customer_id,
        "version": event.version,
        "name": event.name,
        "email": event.email,
        "phone": event.phone,
        "locale": event.locale,
        "consent_email": event.consent.email,
        "consent_sms": event.consent.sms,
    }
    await conn.execute(_SQL.put_customer, values)


async def erase_customer(conn: Connection, tenant_id: UUID, customer_id: UUID) -> None:
    """Erases name, address and number, wherever they are stored; a queued message finds that out in its turn.

    Locks the customer before the messages, as everyone who locks both does.
    """
    values = {"tenant_id": tenant_id, "customer_id": customer_id}
    known = await _one(conn, _SQL.customer_to_erase, **values)
    for statement in (_SQL.erase_customer, _SQL.erase_recipients, _SQL.erase_texts):
        await conn.execute(statement, values)
    addresses = {Channel.EMAIL: known["email"], Channel.SMS: known["phone"]} if known else {}
    known_as = (digests_of(tenant_id, channel, text) for channel, text in addresses.items() if text)
    digests = [digest for both in known_as for digest in both]
    await rules_store.erase_hints(conn, tenant_id, customer_id, digests)


async def lock_customer(conn: Connection, tenant_id: UUID, customer_id: UUID) -> Customer | None:
    """Locks a customer against erasure until the transaction's end; others may do so too."""
    row = await _one(conn, _SQL.lock_customer, tenant_id=tenant_id, customer_id=customer_id)
    return Customer(**row) if row else None


async def put_name(conn: Connection, tenant_id: UUID, entity_id: UUID, version: int, name: str) -> None:
    """Keeps the name of a service or of staff; deleted ones keep theirs, as old appointments name them."""
    values = {"tenant_id": tenant_id, "entity_id": entity_id, "version": version, "name": name}
    await conn.execute(_SQL.put_name, values)


async def delete_name(conn: Connection, tenant_id: UUID, entity_id: UUID) -> None:
    await conn.execute(_SQL.delete_name, {"tenant_id": tenant_id, "entity_id": entity_id})


async def names(conn: Connection, tenant_id: UUID, entity_ids: list[UUID]) -> dict[UUID, str]:
    """Names by id; unknown ids are left out."""
    cursor = await conn.execute(_SQL.names, {"tenant_id": tenant_id, "entity_ids": entity_ids})
    return {row["entity_id"]: row["name"] for row in await cursor.fetchall()}


async def put_profile(conn: Connection, event: ProfileChanged) -> None:
    values = {
        "tenant_id": event.tenant_id,
        "version": event.version,
        "display_name": event.display_name,
        "contact_email": event.contact_email,
        "address": event.address,
    }
    await conn.execute(_SQL.put_profile, values)


async def delete_profile(conn: Connection, tenant_id: UUID) -> None:
    await conn.execute(_SQL.delete_profile, {"tenant_id": tenant_id})


async def profile(conn: Connection, tenant_id: UUID) -> Profile | None:
    row = await _one(conn, _SQL.profile, tenant_id=tenant_id)
    return Profile(**row) if row else None


async def tenant(conn: Connection, tenant_id: UUID) -> TenantChanged | None:
    """The tenant's record in any state but deleted."""
    row = await _one(conn, _SQL.tenant, tenant_id=tenant_id)
    return TenantChanged.model_validate(row["record"]) if row else None


# messages


_CUSTOMERS_ONLY = {field.name for field in fields(CustomerMessage)} - {
    field.name for field in fields(Message)
}
_OWNERS_ONLY = {field.name for field in fields(OwnerMessage)} - {field.name for field in fields(Message)}


def _message(row: dict[str, Any]) -> CustomerMessage | OwnerMessage:
    row |= {"channel": Channel(row["channel"]), "status": Status(row["status"])}
    if row["endpoint_id"] is None:
        return CustomerMessage(**{name: row[name] for name in row.keys() - _OWNERS_ONLY})
    return OwnerMessage(**{name: row[name] for name in row.keys() - _CUSTOMERS_ONLY})


async def queue(conn: Connection, wanted: Wanted, now: datetime) -> bool:
    """Queues a message; False when it was asked for before."""
    values = {
        "tenant_id": wanted.tenant_id,
        "message_id": new_id(),
        "cause": wanted.cause,
        "channel": wanted.channel.value,
        "kind": wanted.kind,
        "appointment_id": wanted.appointment_id,
        "appointment_version": wanted.appointment_version,
        "customer_id": wanted.customer_id,
        "reminder_id": wanted.reminder_id,
        "due_at": wanted.due_at,
        "starts_at": wanted.starts_at,
        "previous_starts_at": wanted.previous_starts_at,
        "entry_id": wanted.entry_id,
        "expires_at": wanted.expires_at,
        "now": now,
    }
    return affected(await conn.execute(_SQL.queue, values))


async def queue_for_owner(
    conn: Connection, tenant_id: UUID, endpoint_id: UUID, now: datetime, expires_at: datetime
) -> None:
    """Queues the mail to the business's owner that an endpoint was disabled `now`; a repeat changes nothing."""
    values = {
        "tenant_id": tenant_id,
        "message_id": new_id(),
        "cause": f"webhook-disabled/{endpoint_id}/{now.isoformat()}",
        "endpoint_id": endpoint_id,
        "now": now,
        "expires_at": expires_at,
    }
    await conn.execute(_SQL.queue_for_owner, values)


async def claim(
    conn: Connection, channel: Channel, since: datetime, now: datetime, lease_ends: datetime, limit: int
) -> list[ClaimedMessage]:
    """Up to `limit` messages that were due from `since` to `now`, the longest overdue of them.

    They are kept from other senders until the lease ends. Needs a worker's transaction, as `first_due`.
    """
    values = {
        "channel": channel.value,
        "since": since,
        "now": now,
        "lease_ends": lease_ends,
        "limit": limit,
    }
    rows = await (await conn.execute(_SQL.claim, values)).fetchall()
    return [ClaimedMessage(**row, lease_ends=lease_ends) for row in rows]


async def first_due(conn: Connection, channel: Channel, now: datetime) -> datetime | None:
    """When the message was due that is longest overdue; None while none is. May pass all that was settled."""
    row = await _one(conn, _SQL.first_due, channel=channel.value, now=now)
    return row["next_attempt_at"] if row else None


async def lock_claimed(conn: Connection, claimed: ClaimedMessage) -> CustomerMessage | OwnerMessage | None:
    """The message; None when it is not ours any more."""
    row = await _one(
        conn,
        _SQL.lock_claimed,
        tenant_id=claimed.tenant_id,
        message_id=claimed.message_id,
        lease_ends=claimed.lease_ends,
    )
    return _message(row) if row else None


async def mark_sending(conn: Connection, message: Message, recipient: str, provider: str) -> None:
    """Notes that an attempt begins, with the `segments`, `counted_at` and `repeated_at` of `message`.

    `counted_at` is when the month's quota counted it; None for a message that no quota counts.
    """
    values = {
        "tenant_id": message.tenant_id,
        "message_id": message.message_id,
        "recipient": recipient,
        "provider": provider,
        "segments": message.segments,
        "counted_at": message.counted_at,
        "repeated_at": message.repeated_at,
    }
    await conn.execute(_SQL.mark_sending, values)


async def postpone(
    conn: Connection, message: Message, attempts: int, next_attempt_at: datetime, *, in_doubt: bool = False
) -> None:
    """`attempts` is the number of the attempt that did not succeed; `in_doubt` when it may have."""
    values = {
        "tenant_id": message.tenant_id,
        "message_id": message.message_id,
        "attempts": attempts,
        "next_attempt_at": next_attempt_at,
        "status": (Status.SENDING if in_doubt else Status.QUEUED).value,
    }
    await conn.execute(_SQL.postpone, values)


async def hold(conn: Connection, message: Message, until: datetime) -> None:
    """Leaves a message that is not sent until the quiet hours end."""
    values = {"tenant_id": message.tenant_id, "message_id": message.message_id, "until": until}
    await conn.execute(_SQL.hold, values)


async def settle(
    conn: Connection, message: Message, attempts: int, status: Status, reason: str | None, now: datetime
) -> bool:
    """False when a later attempt, or an erasure of the business, has overtaken this one."""
    values = {
        "tenant_id": message.tenant_id,
        "message_id": message.message_id,
        "attempts": attempts,
        "status": status.value,
        "reason": reason,
        "now": now,
    }
    return affected(await conn.execute(_SQL.settle, values))


async def drop_queue(conn: Connection, tenant_id: UUID, now: datetime, limit: int) -> int:
    """Suppresses up to `limit` of a business's queued messages; answers how many."""
    values = {"tenant_id": tenant_id, "now": now, "limit": limit}
    return (await conn.execute(_SQL.drop_queue, values)).rowcount


async def keep_sms(conn: Connection, tenant_id: UUID, message_id: UUID, body: str, now: datetime) -> None:
    """Keeps a text message for a person to look at; a repeat changes nothing."""
    values = {"tenant_id": tenant_id, "message_id": message_id, "body": body, "now": now}
    await conn.execute(_SQL.keep_sms, values)


async def messages(
    conn: Connection,
    tenant_id: UUID,
    *,
    status: Status | None,
    channel: Channel | None,
    appointment_id: UUID | None,
    after: UUID | None,
    limit: int,
) -> list[Message]:
    """The newest first, `limit` at most, older than the message `after`."""
    values = {
        "tenant_id": tenant_id,
        "status": status.value if status else None,
        "channel": channel.value if channel else None,
        "appointment_id": appointment_id,
        "after": after,
        "limit": limit,
    }
    return [_message(row) for row in await (await conn.execute(_SQL.messages, values)).fetchall()]


async def message(conn: Connection, tenant_id: UUID, message_id: UUID) -> tuple[Message, str | None] | None:
    """A message, with its text where the mock provider has kept one."""
    row = await _one(conn, _SQL.message, tenant_id=tenant_id, message_id=message_id)
    if row is None:
        return None
    body = row.pop("body")
    return _message(row), body
