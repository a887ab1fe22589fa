"""Which reminders an appointment has asked for, kept in step with the appointment and with the policy.

Called by the service layer and by the catalog consumer, in their transaction and under the appointment's lock.
"""

from datetime import datetime
from uuid import UUID

from booking import catalog, events, store
from booking.domain import Appointment, Reminder, Status, reminders_for
from booking.events import WithdrawalReason
from contracts.booking import ReminderRequested
from servicekit import outbox
from servicekit.db import Connection, Cursor

POLICY = "/reminders"
"""The tenant's lock under which the policy stays as it is. Shared before `align`, and before an appointment is
locked.

Otherwise a change of the policy would not see the appointment, nor the appointment the change, and no reminder
would be asked for.
"""
_CHANGE = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


async def change_policy(conn: Connection, tenant_id: UUID) -> None:
    """Waits for those who keep the policy; later ones wait for this transaction. Before `align_all`."""
    await conn.execute(_CHANGE, (f"{tenant_id}{POLICY}",))


async def ask(
    conn: Connection, tenant_id: UUID, appointment: Appointment, rules: Cursor, now: datetime
) -> list[ReminderRequested]:
    """Notes what a new appointment wants, for which nothing has been asked; answers the events to be published.

    `rules` is what catalog.ask_rules answered.
    """
    wanted = await _wanted(appointment, rules, now)
    await store.add_reminders(conn, tenant_id, appointment.appointment_id, wanted)
    return [events.reminder_requested(tenant_id, appointment, item) for item in wanted]


async def align(
    conn: Connection, tenant_id: UUID, appointment: Appointment, reason: WithdrawalReason, now: datetime
) -> None:
    """Withdraws what the appointment, as it stands now, does not want, and asks for what it lacks.

    A confirmed appointment wants what the policy says; any other wants none.
    """
    wanted = await _wanted(appointment, await catalog.ask_rules(conn, tenant_id), now)
    asked = await store.reminders(conn, tenant_id, appointment.appointment_id)
    wanted_ids = {item.reminder_id for item in wanted}
    asked_ids = {item.reminder_id for item in asked}
    obsolete = [item for item in asked if item.reminder_id not in wanted_ids]
    missing = [item for item in wanted if item.reminder_id not in asked_ids]
    await store.delete_reminders(conn, tenant_id, [item.reminder_id for item in obsolete])
    await store.add_reminders(conn, tenant_id, appointment.appointment_id, missing)
    await outbox.publish(
        conn,
        "booking",
        *(
            events.reminder_withdrawn(tenant_id, appointment.appointment_id, item, reason)
            for item in obsolete
            if item.due_at > now
        ),
        *(events.reminder_requested(tenant_id, appointment, item) for item in missing),
    )


async def _wanted(appointment: Appointment, asked: Cursor, now: datetime) -> list[Reminder]:
    if appointment.status is not Status.CONFIRMED:
        return []
    rules = await catalog.rules(asked)
    return reminders_for(appointment.appointment_id, appointment.version, appointment.starts_at, rules, now)


async def align_all(conn: Connection, tenant_id: UUID, now: datetime) -> None:
    """After a change of the policy: every confirmed appointment to come."""
    for appointment_id in await store.future_confirmed(conn, tenant_id, now):
        appointment = await store.appointment(conn, tenant_id, appointment_id, lock=True)
        if appointment is not None:
            await align(conn, tenant_id, appointment, "policy-changed", now)
