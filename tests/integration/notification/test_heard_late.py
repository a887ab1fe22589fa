"""What is heard behind what came after it takes nothing back: as when dead letters are put back on their topic.

On a real database; the consumers' own functions are called in the order in which events come.
"""

from datetime import timedelta
from typing import Any

from contracts.booking import AppointmentBooked, AppointmentCancelled, AppointmentEvent
from contracts.business import ProfileChanged
from contracts.envelope import Envelope
from integration.notification.hooks import Hooks, to_customer
from integration.notification.world import Salon
from notification import store
from notification.consumers import MessageRequests
from notification.domain import AppointmentStatus
from servicekit.ids import new_id


async def hear(hooks: Hooks, event: AppointmentEvent) -> None:
    told = Envelope(str(new_id()), "/test", event.TYPE, hooks.clock(), event.key, event.tenant_id, b"")
    async with hooks.db.tenant(event.tenant_id) as conn:
        await MessageRequests(timedelta(days=1), hooks.clock).appointment(conn, event, told)


async def test_an_appointment_that_was_cancelled_stays_so(hooks: Hooks) -> None:
    """Or its reminder would go out, and say that it takes place."""
    salon, booked = await to_customer(hooks)
    assert isinstance(booked, AppointmentBooked)
    cancelled: dict[str, Any] = {"version": 2, "occurred_at": hooks.clock(), "cancelled_by": "customer"}
    of_booking = booked.model_dump(exclude={"source", "confirmed", "customer_version"})
    await hear(hooks, AppointmentCancelled.model_validate(of_booking | cancelled))
    await hear(hooks, booked)
    async with hooks.db.tenant(hooks.tenant.tenant_id) as conn:
        known = await store.appointment(conn, salon.tenant.tenant_id, booked.appointment_id)
    assert known is not None
    assert (known.version, known.status) == (2, AppointmentStatus.CANCELLED)


async def test_a_customer_is_who_they_are_now(hooks: Hooks) -> None:
    """Or mails go where they have moved away from, or to who has taken their consent back."""
    salon = Salon(hooks.tenant)
    now = salon.customer.model_copy(update={"version": 2, "email": "new@riverside.example"})
    async with hooks.db.tenant(hooks.tenant.tenant_id) as conn:
        for record in (now, salon.customer):
            await store.put_customer(conn, record)
        known = await store.lock_customer(conn, hooks.tenant.tenant_id, now.customer_id)
    assert known is not None
    assert (known.version, known.email) == (2, "new@riverside.example")


async def test_a_person_who_was_erased_stays_so_whatever_version_is_heard(hooks: Hooks) -> None:
    salon = Salon(hooks.tenant)
    tenant_id, customer_id = hooks.tenant.tenant_id, salon.customer.customer_id
    async with hooks.db.tenant(tenant_id) as conn:
        await store.put_customer(conn, salon.customer)
        await store.erase_customer(conn, tenant_id, customer_id)
        await store.put_customer(conn, salon.customer.model_copy(update={"version": 9}))
        known = await store.lock_customer(conn, tenant_id, customer_id)
    assert known is not None
    assert (known.erased, known.name, known.email, known.phone) == (True, "", None, None)


async def test_names_and_the_profile_are_those_told_last(hooks: Hooks) -> None:
    tenant_id, service_id = hooks.tenant.tenant_id, new_id()
    profile = ProfileChanged(
        tenant_id=tenant_id,
        version=2,
        display_name="Riverside",
        description="",
        contact_email=None,
        contact_phone=None,
        address=None,
    )
    async with hooks.db.tenant(tenant_id) as conn:
        for version, name in ((2, "Cut and wash"), (1, "Cut")):
            await store.put_name(conn, tenant_id, service_id, version, name)
        for each in (profile, profile.model_copy(update={"version": 1, "display_name": "Old"})):
            await store.put_profile(conn, each)
        assert await store.names(conn, tenant_id, [service_id]) == {service_id: "Cut and wash"}
        known = await store.profile(conn, tenant_id)
    assert known is not None
    assert known.display_name == "Riverside"
