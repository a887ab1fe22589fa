"""The rules of a business's messages: its own wording, its quiet hours and its suppression list.

Part of notification.service; called by the routes. Opens the transactions.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import BaseModel

from contracts.booking import Channel
from contracts.notification import Kind
from contracts.platform import TenantChanged
from notification import rules_store, store, trail
from notification.domain import Appointment, AppointmentStatus, masked
from notification.letters import Facts, Letter, Letters
from notification.quiet import UNSET, QuietHours
from notification.suppression import Reason, Scope, Suppression, digests_of
from notification.wording import TemplateKind, Wording, WordingFault
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Invalid, NotFound, PreconditionFailed
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.links import Subscription, UnsubscribeLinks
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change

_SAMPLE_ID = UUID(int=0)
_KINDS: dict[TemplateKind, Kind] = {"pending": "booked", "unconfirmed": "cancelled"}
_STATUS = {
    "pending": AppointmentStatus.PENDING,
    "cancelled": AppointmentStatus.CANCELLED,
    "unconfirmed": AppointmentStatus.CANCELLED,
}
_ELSEWHERE = "Asia/Kathmandu"
"""The customer's time zone in the full sample; no other has its UTC offset, so `customer_when` is not empty."""


class Rules:
    """What the routes can ask for about the rules; each method is one transaction for one business."""

    def __init__(
        self,
        db: Database,
        letters: Letters,
        links: UnsubscribeLinks,
        *,
        public_url: str,
        mail_from: str,
        clock: Clock = utc_now,
    ) -> None:
        self._db = db
        self._letters = letters
        self._links = links
        self._public_url = public_url.rstrip("/")
        self._mail_from = mail_from
        self._clock = clock

    # wording

    async def wording(
        self, tenant_id: UUID, kind: TemplateKind, channel: Channel, language: str
    ) -> tuple[Wording, Wording]:
        """(the business's own, ours). Raises NotFound, and Invalid for a combination that has no messages."""
        ours = self._ours(kind, channel, language)
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await rules_store.wording(conn, tenant_id, kind, channel, language), ours

    async def replace_wording(
        self,
        tenant_id: UUID,
        kind: TemplateKind,
        channel: Channel,
        language: str,
        version: int | None,
        wanted: Wording,
    ) -> tuple[Wording, Wording]:
        """As `wording`. Raises PreconditionFailed, TenantSuspended, and Invalid for words that cannot be used."""
        ours = self._ours(kind, channel, language)
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            require_active(tenant)
            self._check(wanted, await self._samples(conn, tenant, kind, language))
            await rules_store.lock(conn, tenant_id)
            present = await rules_store.wording(conn, tenant_id, kind, channel, language)
            now = await rules_store.put_wording(
                conn,
                tenant_id,
                kind,
                channel,
                language,
                wanted,
                _expected(version, present.version, "The template"),
            )
            made = replace(wanted, version=_kept(now, "The template"))
            await trail.wording(conn, tenant_id, kind, channel, language, present, made)
            return made, ours

    async def drop_wording(
        self, tenant_id: UUID, kind: TemplateKind, channel: Channel, language: str, version: int | None
    ) -> None:
        """Goes back to our words. Raises as `replace_wording`."""
        await self.replace_wording(tenant_id, kind, channel, language, version, Wording())

    async def preview(
        self,
        tenant_id: UUID,
        kind: TemplateKind,
        channel: Channel,
        language: str,
        wanted: Wording | None,
    ) -> Letter:
        """What a message would say with sample facts; with the words in use when none are given. Raises Invalid."""
        self._ours(kind, channel, language)
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            samples = await self._samples(conn, tenant, kind, language)
            own = wanted or await rules_store.wording(conn, tenant_id, kind, channel, language)
        self._check(own, samples)
        return self._letters.write(channel, samples[0], own)

    def _ours(self, kind: TemplateKind, channel: Channel, language: str) -> Wording:
        if language not in self._letters.languages:
            known = ", ".join(self._letters.languages)
            raise Invalid.field("path:language", f"messages are written in {known} only")
        if channel is Channel.SMS and kind != "reminder":
            raise Invalid.field("path:channel", "only reminders go out as text messages")
        ours = self._letters.ours(kind, language)
        if channel is Channel.SMS:
            return Wording(text=ours.text)
        return replace(ours, text=None)

    def _check(self, own: Wording, samples: tuple[Facts, ...]) -> None:
        try:
            self._letters.check(own, samples)
        except WordingFault as fault:
            raise Invalid.field(f"/{fault.part}", fault.detail) from None

    async def _samples(
        self, conn: Connection, tenant: TenantChanged, kind: TemplateKind, language: str
    ) -> tuple[Facts, ...]:
        """One with all facts that a message can have, and one without those that may be missing."""
        profile = await store.profile(conn, tenant.tenant_id)
        starts_at = datetime(2030, 7, 9, 13, 30, tzinfo=UTC)
        link = f"{self._public_url}/appointments/{'0' * 67}"
        full = Facts(
            kind=_KINDS.get(kind, kind),  # type: ignore[arg-type]  # what is left is a Kind
            business=tenant.display_name,
            address=(profile.address if profile else None) or "1 Quay Street",
            business_zone=tenant.timezone,
            customer="Ana Costa",
            locale=language,
            service="Haircut",
            staff=("Bo",),
            appointment=Appointment(
                appointment_id=_SAMPLE_ID,
                version=1,
                status=_STATUS.get(kind, AppointmentStatus.CONFIRMED),
                service_id=_SAMPLE_ID,
                staff_ids=(),
                customer_id=_SAMPLE_ID,
                starts_at=starts_at,
                ends_at=starts_at + timedelta(minutes=30),
                timezone=_ELSEWHERE,
                cancelled_by="system" if kind == "unconfirmed" else None,
            ),
            previous_starts_at=starts_at - timedelta(days=1) if kind == "rescheduled" else None,
            expires_at=starts_at,
            manage_url=link,
            calendar_url=f"{self._public_url}/v1/public/appointments/{'0' * 67}.ics",
            unsubscribe_url=f"{self._public_url}/unsubscribe/{'0' * 90}",
            organizer=self._mail_from,
            written_at=self._clock(),
        )
        here = replace(full.appointment, timezone=tenant.timezone)
        return full, replace(full, address=None, staff=(), appointment=here)

    # quiet hours

    async def quiet_hours(self, tenant_id: UUID) -> QuietHours:
        """Without channels while the business has set none. Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await rules_store.quiet_hours(conn, tenant_id) or UNSET

    async def replace_quiet_hours(
        self, tenant_id: UUID, version: int | None, wanted: QuietHours
    ) -> QuietHours:
        """Messages held by the old ones are decided about anew. Raises PreconditionFailed, TenantSuspended."""
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            await rules_store.lock(conn, tenant_id)
            present = await rules_store.quiet_hours(conn, tenant_id) or UNSET
            expected = _expected(version, present.version, "The quiet hours")
            now = await rules_store.put_quiet_hours(conn, tenant_id, wanted, expected)
            made = replace(wanted, version=_kept(now, "The quiet hours"))
            await trail.quiet_hours(conn, tenant_id, present, made)
            await rules_store.release_held(conn, tenant_id, self._clock())
            return made

    # suppression list

    async def suppressions(
        self,
        tenant_id: UUID,
        *,
        channel: Channel | None,
        reason: Reason | None,
        after: UUID | None,
        limit: int,
    ) -> list[Suppression]:
        """The newest first. Raises NotFound for a business that is not served."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await rules_store.suppressions(
                conn, tenant_id, channel=channel, reason=reason, after=after, limit=limit
            )

    async def suppress(
        self,
        tenant_id: UUID,
        key: IdempotencyKey | None,
        channel: Channel,
        address: str,
        reason: Reason,
        scope: Scope,
        answer: Callable[[Suppression], BaseModel],
    ) -> Outcome:
        """Puts an address on the list, for a suspended business too: somebody may have asked for it."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)

            async def effect() -> BaseModel:
                before, added = await rules_store.put_suppression(
                    conn,
                    tenant_id,
                    channel,
                    digests_of(tenant_id, channel, address),
                    reason,
                    scope,
                    self._clock(),
                    customer_id=None,
                    hint=masked(address, channel),
                )
                await trail.suppressed(conn, tenant_id, before, added)
                return answer(added)

            return await once(conn, tenant_id, key, effect, status=201)

    async def unsuppress(self, tenant_id: UUID, suppression_id: UUID) -> None:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)
            removed = await rules_store.delete_suppression(conn, tenant_id, suppression_id)
            if removed is None:
                raise NotFound("There is no such suppression.")
            await trail.unsuppressed(conn, tenant_id, removed)

    # unsubscribing by link

    async def subscription(self, token: str) -> tuple[TenantChanged, Subscription, Scope | None]:
        """(business, what the link is for, how far that is unsubscribed, None if not at all). Raises NotFound."""
        of = self._of_link(token)
        async with self._db.tenant(of.tenant_id) as conn:
            tenant = await tenant_by_id(conn, of.tenant_id)
            _, digests = await _lock_address(conn, of)
            return tenant, of, await _scope(conn, of, digests)

    async def unsubscribe(
        self, token: str, scope: Scope | None
    ) -> tuple[TenantChanged, Subscription, Scope | None]:
        """Unsubscribes and answers as `subscription`, also at a suspended business. Raises NotFound.

        `scope` defaults to the one that stands, else to the reminders.
        """
        of = self._of_link(token)
        async with self._db.tenant(of.tenant_id) as conn:
            tenant = await tenant_to_change(conn, of.tenant_id)
            address, digests = await _lock_address(conn, of)
            if scope is None:
                await rules_store.lock(conn, of.tenant_id)
                scope = await _scope(conn, of, digests) or "reminders"
            before, added = await rules_store.put_suppression(
                conn,
                of.tenant_id,
                of.channel,
                digests,
                "unsubscribed",
                scope,
                self._clock(),
                customer_id=of.customer_id if address else None,
                hint=masked(address, of.channel) if address else None,
            )
            await trail.suppressed(conn, of.tenant_id, before, added, customer_id=of.customer_id)
            return tenant, of, scope

    async def resubscribe(self, token: str) -> tuple[TenantChanged, Subscription, Scope | None]:
        """Undoes `unsubscribe` and answers as `subscription`. Raises NotFound."""
        of = self._of_link(token)
        async with self._db.tenant(of.tenant_id) as conn:
            tenant = await tenant_to_change(conn, of.tenant_id)
            _, digests = await _lock_address(conn, of)
            for removed in await rules_store.resubscribe(conn, of.tenant_id, of.channel, digests):
                await trail.unsuppressed(conn, of.tenant_id, removed, customer_id=of.customer_id)
            return tenant, of, None

    def _of_link(self, token: str) -> Subscription:
        found = self._links.parse(token)
        if found is None:
            raise NotFound("This link is not one of ours, or is not whole.")
        return found


async def _lock_address(conn: Connection, of: Subscription) -> tuple[str | None, list[bytes]]:
    """(address of a link, None when the customer has another now; its digests in the suppression list).

    Locks the customer's row, which has to come before the list's.
    """
    customer = await store.lock_customer(conn, of.tenant_id, of.customer_id)
    address = customer.address(of.channel) if customer else None
    digests = digests_of(of.tenant_id, of.channel, address) if address else []
    return (address, digests) if of.digest in digests else (None, [of.digest])


async def _scope(conn: Connection, of: Subscription, digests: list[bytes]) -> Scope | None:
    entries = await rules_store.suppressed_for(conn, of.tenant_id, of.channel, digests)
    return next((scope for reason, scope in entries if reason == "unsubscribed"), None)


def _expected(version: int | None, present: int, what: str) -> int | None:
    """The version that the write must find. Raises PreconditionFailed when the edit started from another."""
    if version not in {None, present}:
        raise PreconditionFailed(f"{what} was changed since you read it; read it again.")
    return version


def _kept(version: int | None, what: str) -> int:
    if version is None:
        raise PreconditionFailed(f"{what} was changed since you read it; read it again.")
    return version
