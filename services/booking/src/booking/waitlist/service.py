"""The waitlist as a service: each method is one transaction; booking.waitlist.line says what happens in it.

Called by the routes of the public page, of an entry's link, and of the business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel

from booking import allocations, catalog, reminders, store
from booking.domain import Customer, Offer, Resource
from booking.managing import Booked
from booking.questions import Given
from booking.waitlist import line
from booking.waitlist import store as waitlist_store
from booking.waitlist.domain import Entry, EntryState, SlotOffer, standing, taken
from booking.waitlist.line import EntryCap, JoinRequest
from contracts.platform import TenantChanged
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import NotFound, found
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.links import AppointmentLinks, WaitlistLinks
from servicekit.tenants import TO_CHANGE, require_active, tenant_by_id, tenant_in_scope, tenant_to_change


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the holder of an entry's link sees of it; `booked` once it has led to an appointment."""

    tenant: TenantChanged
    entry: Entry
    service: Offer
    people: Sequence[Resource]
    """Whoever the entry or its offer names."""
    slot: SlotOffer | None
    booked: Booked | None
    token: str
    url: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry as the business sees it."""

    entry: Entry
    customer: Customer
    slot: SlotOffer | None
    offers: int


class WaitlistService:
    """`offer_seconds` is how long an offered time is kept; `cap`, how many entries a client may have in line.

    `freed`: as in booking.service.
    """

    def __init__(
        self,
        db: Database,
        *,
        links: WaitlistLinks,
        appointments: AppointmentLinks,
        public_url: str,
        offer_seconds: int,
        cap: EntryCap,
        clock: Clock = utc_now,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        self._db = db
        self._links = links
        self._appointments = appointments
        self._public_url = public_url.rstrip("/")
        self._offer_for = timedelta(seconds=offer_seconds)
        self._cap = cap
        self._clock = clock
        self._freed = freed

    # by anyone, and by an entry's link

    async def join(
        self,
        slug: str,
        key: IdempotencyKey | None,
        wanted: JoinRequest,
        address: str,
        answer: Callable[[Waiting], BaseModel],
    ) -> Outcome:
        """Puts a customer on the list, for a client at `address`.

        Raises NotFound, Invalid, TooManyEntries, AlreadyWaiting, TenantSuspended.
        """
        async with self._db.tenant(slug, sharing=(TO_CHANGE,)) as conn:
            tenant = await tenant_in_scope(conn)
            tenant_id = tenant.tenant_id
            require_active(tenant)

            async def effect() -> BaseModel:
                now = self._clock()
                client = await self._cap.admit(conn, tenant_id, address, now)
                entry = await line.join(conn, tenant, wanted, now, client=client)
                return answer(await self._view(conn, tenant, entry))

            outcome = await once(conn, tenant_id, key, effect)
        self._freed()
        return outcome

    async def by_link(self, token: str) -> Waiting:
        """Raises NotFound for a link that is not one of ours, or whose business has gone."""
        tenant_id, entry_id = self._parse(token)
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            entry = await waitlist_store.entry(conn, tenant_id, entry_id)
            if entry is None:
                raise NotFound("This link does not lead to the waitlist.")
            return await self._view(conn, tenant, entry)

    async def leave(self, token: str) -> Waiting:
        """Raises NotFound. Also while the business is suspended."""
        tenant_id, entry_id = self._parse(token)
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            entry = await line.leave(conn, tenant_id, entry_id, EntryState.LEFT)
            view = await self._view(conn, tenant, entry)
        self._freed()
        return view

    async def accept(
        self,
        token: str,
        key: IdempotencyKey | None,
        given: Sequence[Given],
        answer: Callable[[Booked], BaseModel],
    ) -> Outcome:
        """Books the offered time. Raises NotFound, OfferExpired, WrongAnswers, QuotaExceeded, TenantSuspended."""
        tenant_id, entry_id = self._parse(token)
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id, reminders.POLICY)
            require_active(tenant)

            async def effect() -> BaseModel:
                appointment = await line.accept(conn, tenant, entry_id, given, self._clock())
                return answer(Booked.of(tenant_id, appointment, self._appointments, self._public_url))

            return await once(conn, tenant_id, key, effect)

    def _parse(self, token: str) -> tuple[UUID, UUID]:
        parsed = self._links.parse(token)
        if parsed is None:
            raise NotFound("This link does not lead to the waitlist.")
        return parsed

    async def _view(self, conn: Connection, tenant: TenantChanged, entry: Entry) -> Waiting:
        tenant_id = tenant.tenant_id
        service = await catalog.offer(conn, entry.service_id, deleted_too=True)
        assert service is not None  # noqa: S101 - services are only marked deleted
        offers = await waitlist_store.offers(conn, tenant_id, [entry.entry_id])
        slot = standing(offers)
        named = {entry.staff_id, *(slot.staff_ids if slot else ())} - {None}
        people = await allocations.resources(conn, tenant_id, [one for one in named if one is not None])
        booked = None
        if entry.state is EntryState.BOOKED:
            appointment = await store.appointment(conn, tenant_id, taken(offers).offer_id)
            assert appointment is not None  # noqa: S101 - made with this state
            booked = Booked.of(tenant_id, appointment, self._appointments, self._public_url)
        token = self._links.token(tenant_id, entry.entry_id)
        url = f"{self._public_url}/waitlist/{token}"
        return Waiting(tenant, entry, service, people, slot, booked, token, url)

    # by the business

    async def page(
        self,
        tenant_id: UUID,
        *,
        state: EntryState | None,
        service_id: UUID | None,
        after: UUID | None,
        limit: int,
    ) -> list[Listed]:
        """Entries in the order in which they came, `limit` at most, behind `after`. Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            entries = await waitlist_store.entries_page(
                conn, tenant_id, state=state, service_id=service_id, after=after, limit=limit
            )
            return await self._listed(conn, tenant_id, entries)

    async def entry(self, tenant_id: UUID, entry_id: UUID) -> Listed:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            entry = found(await waitlist_store.entry(conn, tenant_id, entry_id), "waitlist entry")
            return (await self._listed(conn, tenant_id, [entry]))[0]

    async def remove(self, tenant_id: UUID, entry_id: UUID) -> None:
        """Takes an entry off the list. Raises NotFound. Also while the business is suspended."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)
            await line.leave(conn, tenant_id, entry_id, EntryState.REMOVED)
        self._freed()

    async def offer(
        self,
        tenant_id: UUID,
        entry_id: UUID,
        key: IdempotencyKey | None,
        starts_at: datetime,
        staff_id: UUID | None,
        answer: Callable[[Listed], BaseModel],
    ) -> Outcome:
        """Offers a time by hand, in the entry's window or not. Raises NotFound, Conflict, SlotTaken, Invalid."""
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            require_active(tenant)

            async def effect() -> BaseModel:
                entry = await line.locked(conn, tenant_id, entry_id)
                await line.offer(
                    conn, tenant, entry, starts_at, staff_id, self._clock(), lasts=self._offer_for
                )
                entry = await line.locked(conn, tenant_id, entry_id)
                return answer((await self._listed(conn, tenant_id, [entry]))[0])

            return await once(conn, tenant_id, key, effect)

    async def _listed(self, conn: Connection, tenant_id: UUID, entries: Sequence[Entry]) -> list[Listed]:
        people = await store.customers(conn, tenant_id, [entry.customer_id for entry in entries])
        offers = await waitlist_store.offers(conn, tenant_id, [entry.entry_id for entry in entries])
        listed = []
        for entry in entries:
            mine = [item for item in offers if item.entry_id == entry.entry_id]
            listed.append(Listed(entry, people[entry.customer_id], standing(mine), len(mine)))
        return listed
