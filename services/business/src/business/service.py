"""The service layer: each method is one transaction, with its rules, its use of the plan's limits, and its events.

Called by the routes. The catalog (business.catalog.v1) is compacted, so each event carries the whole entity.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from business import events, store, trail
from business.checks import require_version
from business.closures import Closures
from business.domain import (
    MAX_EXCEPTIONS,
    Profile,
    ReminderPolicy,
    ServiceOffer,
    StaffMember,
    StaffName,
    with_exception,
)
from business.offers import each_once, faults_of, refuse, with_question_ids
from business.resources import Resources
from contracts.booking import Channel
from contracts.business import Hours, Interval, ReminderRule
from contracts.platform import TenantChanged
from servicekit import audit, outbox, usage
from servicekit.audit import Entry
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Conflict, Invalid, found
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.ids import new_id
from servicekit.tenants import require_active, tenant_by_id, tenant_in_scope, tenant_to_change

_SOURCE = "business"


class BusinessService:
    """What the routes can ask for."""

    def __init__(self, db: Database, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock
        self.resources = Resources(db)
        self.closures = Closures(db, clock)

    # profile

    async def profile(self, tenant_id: UUID) -> tuple[TenantChanged, Profile]:
        """Raises NotFound while the business is not provisioned here."""
        async with self._db.tenant(tenant_id) as conn:
            return await _profile(conn, await tenant_by_id(conn, tenant_id))

    async def update_profile(
        self, tenant_id: UUID, version: int | None, fields: dict[str, Any]
    ) -> tuple[TenantChanged, Profile]:
        """Changes the given fields of a Profile. Raises PreconditionFailed when it is not at `version` any more."""
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            require_active(tenant)
            present = found(await store.profile(conn, tenant_id, lock=True), "profile")
            require_version(version, present.version, "The profile")
            updated = await store.update_profile(conn, tenant_id, replace(present, **fields))
            await outbox.publish(conn, _SOURCE, events.profile_changed(tenant_id, updated))
            await trail.profile(conn, tenant_id, present, updated)
            return tenant, updated

    async def public_profile(
        self, slug: str
    ) -> tuple[TenantChanged, Profile, list[ServiceOffer], list[StaffName]]:
        """What anyone may see of a business. Raises NotFound."""
        async with self._db.tenant(slug) as conn:
            tenant, profile = await _profile(conn, await tenant_in_scope(conn))
            offers = await store.services(conn, tenant.tenant_id)
            return tenant, profile, offers, await store.staff_names(conn, tenant.tenant_id)

    # staff

    async def staff_page(self, tenant_id: UUID, after: UUID | None, limit: int) -> list[StaffMember]:
        """Staff members by id, `limit` at most, behind `after`. Raises NotFound for a business not served."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await store.staff_page(conn, tenant_id, after, limit)

    async def staff_member(self, tenant_id: UUID, staff_id: UUID) -> StaffMember:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return found(await store.staff_by_id(conn, tenant_id, staff_id), "staff member")

    async def add_staff(
        self,
        tenant_id: UUID,
        key: IdempotencyKey | None,
        name: str,
        email: str | None,
        timezone: str | None,
        hours: Sequence[Hours],
        answer: Callable[[StaffMember], BaseModel],
    ) -> Outcome:
        """Raises QuotaExceeded past the plan's staff, TenantSuspended."""
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            require_active(tenant)

            async def effect() -> BaseModel:
                await usage.consume(conn, tenant, "staff", self._clock())
                zone = timezone or tenant.timezone
                member = StaffMember(new_id(), 1, name, email, zone, tuple(hours), ())
                await store.add_staff(conn, tenant_id, member)
                await outbox.publish(conn, _SOURCE, events.staff_changed(tenant_id, member))
                await trail.staff(conn, tenant_id, "staff.added", None, member)
                return answer(member)

            return await once(conn, tenant_id, key, effect)

    async def edit_staff(
        self, tenant_id: UUID, staff_id: UUID, version: int | None, **fields: Any
    ) -> StaffMember:
        """Changes the given fields of a StaffMember. Raises NotFound, PreconditionFailed."""
        return await self._change_staff(
            tenant_id, staff_id, version, lambda member: replace(member, **fields)
        )

    async def set_exception(
        self, tenant_id: UUID, staff_id: UUID, day: date, intervals: Sequence[Interval] | None
    ) -> StaffMember:
        """Replaces one local date's hours; None removes the exception.

        Raises NotFound, and Invalid for too many or for a date that is over where the staff member works.
        """

        def change(member: StaffMember) -> StaffMember:
            today = self._clock().astimezone(ZoneInfo(member.timezone)).date()
            if intervals is not None and day < today:
                raise Invalid.field("path:day", "lies in the past")
            exceptions = with_exception(member.exceptions, day, intervals)
            if len(exceptions) > max(MAX_EXCEPTIONS, len(member.exceptions)):
                raise Invalid.field(
                    "path:day", f"there are {MAX_EXCEPTIONS} exceptions already; delete past ones first"
                )
            return replace(member, exceptions=exceptions)

        return await self._change_staff(tenant_id, staff_id, None, change)

    async def _change_staff(
        self,
        tenant_id: UUID,
        staff_id: UUID,
        version: int | None,
        change: Callable[[StaffMember], StaffMember],
    ) -> StaffMember:
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            present = found(await store.lock_staff(conn, tenant_id, staff_id), "staff member")
            require_version(version, present.version, "The staff member")
            member = await store.update_staff(conn, tenant_id, change(present))
            await outbox.publish(conn, _SOURCE, events.staff_changed(tenant_id, member))
            await trail.staff(conn, tenant_id, "staff.changed", present, member)
            return member

    async def delete_staff(self, tenant_id: UUID, staff_id: UUID) -> None:
        """Takes the staff member off all services too; appointments that stand are not touched.

        Raises NotFound, and Conflict while a service needs a team that is larger than who is left.
        """
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            found(await store.lock_staff(conn, tenant_id, staff_id), "staff member")
            for service_id in await store.remove_staff_from_services(conn, tenant_id, staff_id):
                await store.touch_service(conn, tenant_id, service_id)
                offer = await _offer(conn, tenant_id, service_id)
                if offer.staff_count > max(1, len(offer.staff_ids)):
                    raise Conflict(
                        f"{offer.name} needs {offer.staff_count} at once. Change its staff_count first."
                    )
                await outbox.publish(conn, _SOURCE, events.service_changed(tenant, offer))
            member = await store.delete_staff(conn, tenant_id, staff_id)
            await outbox.publish(conn, _SOURCE, events.staff_changed(tenant_id, member, deleted=True))
            await trail.staff(conn, tenant_id, "staff.removed", member, None)
            await usage.release(conn, tenant_id, "staff", self._clock())

    # services

    async def services_page(
        self, tenant_id: UUID, after: UUID | None, limit: int
    ) -> tuple[TenantChanged, list[ServiceOffer]]:
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            return tenant, await store.services(conn, tenant_id, after=after, limit=limit)

    async def offer(self, tenant_id: UUID, service_id: UUID) -> tuple[TenantChanged, ServiceOffer]:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            return tenant, await _offer(conn, tenant_id, service_id)

    async def add_service(
        self,
        tenant_id: UUID,
        key: IdempotencyKey | None,
        fields: dict[str, Any],
        answer: Callable[[TenantChanged, ServiceOffer], BaseModel],
    ) -> Outcome:
        """`fields` are those of ServiceOffer. Raises QuotaExceeded, TenantSuspended, Invalid."""
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            require_active(tenant)

            async def effect() -> BaseModel:
                refuse(await faults_of(conn, tenant_id, fields))
                questions = with_question_ids(fields["questions"], ())
                await usage.consume(conn, tenant, "services", self._clock())
                offer = ServiceOffer(service_id=new_id(), version=1, **each_once(fields, questions))
                await store.add_service(conn, tenant_id, offer)
                await outbox.publish(conn, _SOURCE, events.service_changed(tenant, offer))
                await trail.service(conn, tenant_id, "service.added", None, offer)
                return answer(tenant, offer)

            return await once(conn, tenant_id, key, effect)

    async def replace_service(
        self, tenant_id: UUID, service_id: UUID, version: int | None, fields: dict[str, Any]
    ) -> tuple[TenantChanged, ServiceOffer]:
        """Raises NotFound, PreconditionFailed, Invalid for unknown staff, resources and questions."""
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            require_active(tenant)
            # Staff before the service, as delete_staff locks them; raised only once the service is known to exist.
            faults = await faults_of(conn, tenant_id, fields)
            present = found(await store.lock_service(conn, tenant_id, service_id), "service")
            require_version(version, present, "The service")
            refuse(faults)
            before = await _offer(conn, tenant_id, service_id)
            questions = with_question_ids(fields["questions"], before.questions)
            offer = ServiceOffer(service_id=service_id, version=present + 1, **each_once(fields, questions))
            await store.update_service(conn, tenant_id, offer)
            await outbox.publish(conn, _SOURCE, events.service_changed(tenant, offer))
            await trail.service(conn, tenant_id, "service.changed", before, offer)
            return tenant, offer

    async def delete_service(self, tenant_id: UUID, service_id: UUID) -> None:
        """Appointments that stand are not touched. Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            present = found(await store.lock_service(conn, tenant_id, service_id), "service")
            offer = replace(await _offer(conn, tenant_id, service_id), version=present + 1)
            await store.delete_service(conn, tenant_id, service_id)
            await outbox.publish(conn, _SOURCE, events.service_changed(tenant, offer, deleted=True))
            await trail.service(conn, tenant_id, "service.removed", offer, None)
            await usage.release(conn, tenant_id, "services", self._clock())

    # reminder policy

    async def policy(self, tenant_id: UUID) -> ReminderPolicy:
        """Raises NotFound while the business is not provisioned here."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return found(await store.policy(conn, tenant_id), "reminder policy")

    async def replace_policy(
        self, tenant_id: UUID, version: int | None, wanted: Sequence[tuple[int, Channel]]
    ) -> ReminderPolicy:
        """`wanted` are (offset in seconds, channel); a rule that stays keeps its id.

        Raises PreconditionFailed, TenantSuspended.
        """
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            present = found(await store.policy(conn, tenant_id, lock=True), "reminder policy")
            require_version(version, present.version, "The reminder policy")
            policy = await write_policy(conn, tenant_id, present, wanted)
            await trail.policy(conn, tenant_id, present, policy)
            return policy

    # audit trail

    async def entries(self, tenant_id: UUID, **asked: Any) -> list[Entry]:
        """The audit trail, as servicekit.audit.entries. Raises NotFound for a business not served."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await audit.entries(conn, tenant_id, **asked)


async def write_policy(
    conn: Connection, tenant_id: UUID, present: ReminderPolicy, wanted: Sequence[tuple[int, Channel]]
) -> ReminderPolicy:
    """Replaces a locked policy and publishes its event; also used when a business is provisioned."""
    known = {(rule.offset_seconds, rule.channel): rule for rule in present.rules}
    rules = [
        known.get(pair) or ReminderRule(rule_id=new_id(), offset_seconds=pair[0], channel=pair[1])
        for pair in sorted(wanted, key=lambda pair: (-pair[0], pair[1]))
    ]
    policy = await store.replace_policy(conn, tenant_id, rules, present.rules)
    await outbox.publish(conn, _SOURCE, events.policy_changed(tenant_id, policy))
    return policy


async def _profile(conn: Connection, tenant: TenantChanged) -> tuple[TenantChanged, Profile]:
    return tenant, found(await store.profile(conn, tenant.tenant_id), "profile")


async def _offer(conn: Connection, tenant_id: UUID, service_id: UUID) -> ServiceOffer:
    offers = await store.services(conn, tenant_id, service_id=service_id)
    return found(offers[0] if offers else None, "service")
