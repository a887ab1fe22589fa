"""The service layer of the business's records: its customers, exports and the audit trail.

Called by the routes; each method is one transaction. Appointments and their changes are booking.service's.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.errors import UniqueViolation

from booking import events, store, trail
from booking.domain import Customer
from booking.errors import CustomerHasAppointments
from booking.records import exports, kept_answers
from booking.records import store as records
from contracts.booking import Consent, CustomerChanged
from contracts.model import record_key
from servicekit import audit, outbox
from servicekit.audit import Entry
from servicekit.clock import Clock, utc_now
from servicekit.concurrency import ConcurrencyLimit
from servicekit.db import Connection, Database
from servicekit.errors import Conflict, Invalid, NotFound, PreconditionFailed
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change

_EXPORTS_AT_ONCE = 2
_EXPORT_WAIT_SECONDS = 10.0
_RETRY_SECONDS = 30
_NO_LANGUAGE = "und"


class RecordService:
    """What the routes can ask for."""

    def __init__(
        self, db: Database, *, clock: Clock = utc_now, export_wait: float = _EXPORT_WAIT_SECONDS
    ) -> None:
        self._db = db
        self._clock = clock
        # Each holds a connection for as long as its reader takes; most of the pool stays for bookings.
        self._exports = ConcurrencyLimit[UUID](
            _EXPORTS_AT_ONCE,
            1,
            seconds=export_wait,
            refusal="Other exports are still being sent, of this business or of others.",
            retry_after=_RETRY_SECONDS,
        )

    async def entries(self, tenant_id: UUID, **asked: Any) -> list[Entry]:
        """The audit trail, as servicekit.audit.entries. Raises NotFound for a business not served."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await audit.entries(conn, tenant_id, **asked)

    # customers

    async def customers_page(
        self, tenant_id: UUID, begins: str | None, after: UUID | None, limit: int
    ) -> list[Customer]:
        """Customers by id, `limit` at most, behind `after`; with `begins`, by their name or address.

        Raises NotFound for a business not served.
        """
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await records.customers_page(conn, tenant_id, begins, after, limit)

    async def customer(self, tenant_id: UUID, customer_id: UUID) -> Customer:
        """Raises NotFound; an erased customer is there without anything personal."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            found = await store.customer(conn, tenant_id, customer_id)
            if found is None:
                raise _no_customer()
            return found

    async def edit_customer(
        self, tenant_id: UUID, customer_id: UUID, version: int | None, fields: Mapping[str, Any]
    ) -> Customer:
        """Changes the given fields of a Customer.

        Raises NotFound, PreconditionFailed, Invalid when neither address nor number is left or text messages have
        no number, Conflict for a customer who is there already, TenantSuspended.
        """
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            present = await self._locked(conn, tenant_id, customer_id)
            if version not in {None, present.version}:
                raise PreconditionFailed("The customer was changed since you read it; read it again.")
            wanted = replace(present, **fields)
            if wanted == present:
                return present
            if wanted.email is None and wanted.phone is None:
                raise Invalid.field("/email", "is needed, as there is no number")
            if wanted.consent.sms and wanted.phone is None:
                raise Invalid.field("/phone", "is needed for messages by SMS")
            return await self._write(conn, tenant_id, present, wanted, "customer.changed")

    async def erase_customer(self, tenant_id: UUID, customer_id: UUID) -> None:
        """Erases the person: name, address, number and notes, here and wherever the customer's topic is read.

        Appointments keep standing, with an id that says nothing. Erasing again does nothing. Raises NotFound, and
        CustomerHasAppointments while one is still to take place. Also while the business is suspended.
        """
        now = self._clock()
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)
            await records.lock_entries(conn, tenant_id, customer_id)
            present = await records.lock_customer(conn, tenant_id, customer_id)
            if present is None:
                raise _no_customer()
            if present.erased_at is not None:
                return
            coming = await records.open_appointments(conn, tenant_id, customer_id, now)
            if coming:
                still = "One appointment is" if coming == 1 else f"{coming} appointments are"
                detail = f"{still} still to take place; cancel first."
                raise CustomerHasAppointments(detail, appointments=coming)
            erased = Customer(
                customer_id=customer_id,
                version=present.version + 1,
                name=f"Erased {customer_id}",  # one of its own, as no two customers are the same
                email=None,
                phone=None,
                locale=_NO_LANGUAGE,
                consent=Consent(email=False, sms=False),
                erased_at=now,
            )
            await records.update_customer(conn, tenant_id, erased)
            await records.clear_notes(conn, tenant_id, customer_id)
            await records.leave_waitlist(conn, tenant_id, customer_id)
            await kept_answers.erase_from(conn, tenant_id, erased)
            await outbox.bury(conn, "booking", CustomerChanged, record_key(tenant_id, customer_id), tenant_id)
            await audit.record(conn, tenant_id, "customer.erased", "customer", customer_id)

    async def _locked(self, conn: Connection, tenant_id: UUID, customer_id: UUID) -> Customer:
        present = await records.lock_customer(conn, tenant_id, customer_id)
        if present is None or present.erased_at is not None:
            raise _no_customer()
        return present

    async def _write(
        self, conn: Connection, tenant_id: UUID, present: Customer, wanted: Customer, action: str
    ) -> Customer:
        written = replace(wanted, version=present.version + 1)
        try:
            await records.update_customer(conn, tenant_id, written)
        except UniqueViolation:
            detail = "There is another customer with this name, address and number."
            raise Conflict(detail) from None
        await outbox.publish(conn, "booking", events.customer_changed(tenant_id, written), time=self._clock())
        await trail.customer(conn, tenant_id, action, present, written)
        return written

    # exports

    async def export_appointments(
        self, tenant_id: UUID, begin: datetime, end: datetime
    ) -> AsyncGenerator[str]:
        """Lines of CSV, times in the business's zone, while one transaction reads.

        Raises NotFound and Unavailable at the first.
        """
        async with self._export(tenant_id) as conn:
            zone = ZoneInfo((await tenant_by_id(conn, tenant_id)).timezone)
            async with (
                aclosing(records.exported_appointments(conn, tenant_id, begin, end)) as rows,
                aclosing(exports.appointments(rows, zone)) as parts,
            ):
                async for part in parts:
                    yield part

    async def export_customers(self, tenant_id: UUID) -> AsyncGenerator[str]:
        """The same of the customers."""
        async with self._export(tenant_id) as conn:
            zone = ZoneInfo((await tenant_by_id(conn, tenant_id)).timezone)
            async with (
                aclosing(records.exported_customers(conn, tenant_id)) as rows,
                aclosing(exports.customers(rows, zone)) as parts,
            ):
                async for part in parts:
                    yield part

    @asynccontextmanager
    async def _export(self, tenant_id: UUID) -> AsyncIterator[Connection]:
        """An export's transaction; of one business one at a time, so that it leaves a place to others.

        Raises Unavailable for who has waited `export_wait` seconds for its turn: others read slowly.
        """
        async with self._exports.acquire(tenant_id), self._db.tenant(tenant_id) as conn:
            yield conn


def _no_customer() -> NotFound:
    return NotFound("There is no such customer.")
