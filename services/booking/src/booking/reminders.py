"""Which reminders an appointment has asked for, kept in step with the appointment and with the policy.

Called by the service layer, by the catalog consumer and by the loop that follows a changed policy, in their
transaction and under the appointment's lock.
"""

from datetime import datetime, timedelta
from uuid import UUID

from booking import catalog, events, store
from booking.catalog import CatalogFollower
from booking.domain import Appointment, Reminder, Status, reminders_for
from booking.events import WithdrawalReason
from contracts.booking import ReminderRequested
from contracts.business import PolicyChanged
from servicekit import outbox
from servicekit.db import Connection, Cursor
from servicekit.faults import reached

POLICY = "/reminders"
"""The tenant's lock under which the policy stays as it is. Shared before `align`, and before an appointment is
locked.

Otherwise a change of the policy would not see the appointment, nor the appointment the change, and no reminder
would be asked for.
"""
KEEP_PAST = timedelta(days=7)
"""So long is a reminder kept behind its time, though nothing is asked of it then: clocks of processes differ."""
_CHANGE = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


async def change_policy(conn: Connection, follower: CatalogFollower, event: PolicyChanged) -> None:
    """Takes over a policy, and notes that the appointments to come are to follow it: see `align_some`.

    Waits for those who keep the policy; later ones wait for this transaction. So it looks at no appointment, of
    which there may be any number.
    """
    await conn.execute(_CHANGE, (f"{event.tenant_id}{POLICY}",))
    if await follower.policy_changed(conn, event):
        await store.begin_alignment(conn, event.tenant_id)


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


async def align_some(conn: Connection, tenant_id: UUID, now: datetime, *, most: int) -> bool:
    """After a change of the policy: the next confirmed appointments to come, `most` at a time.

    False when none is left, or another process is at it. The caller shares POLICY, so that the policy is one for
    all of them. Whatever is made or changed beside it reads the same policy, and leaves nothing to be done here.
    """
    after = await store.lock_alignment(conn, tenant_id)
    if after is None:
        return False
    positions = await store.future_confirmed(conn, tenant_id, now, after, most)
    for appointment_id in sorted(appointment_id for _starts_at, appointment_id in positions):
        # By id, as whoever locks several appointments.
        appointment = await store.appointment(conn, tenant_id, appointment_id, lock=True)
        if appointment is not None:
            await align(conn, tenant_id, appointment, "policy-changed", now)
    reached("booking.policy.aligned")
    if len(positions) < most:
        await store.end_alignment(conn, tenant_id)
        return False
    await store.move_alignment(conn, tenant_id, positions[-1])
    return True
