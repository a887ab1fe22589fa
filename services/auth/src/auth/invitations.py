"""Invitations: of the owner that a Tenant names, and of those whom an owner invites.

`Invitations` is part of auth.service, called by the routes. The functions are called where an owner's invitation
changes (tenant hooks, mail worker, acceptance), in the transaction of the change.
"""

from collections.abc import Callable
from uuid import UUID

from pydantic import BaseModel

from auth import queue_store, store
from auth.attempts import Attempts, Limit
from auth.domain import MAIL_GIVEN_UP, Invitation, InvitationState, Role
from auth.members import require_current
from contracts.platform import Component, ComponentState, StatusDetails, TenantChanged
from servicekit.clock import Clock
from servicekit.db import Connection, Database
from servicekit.errors import Conflict, FieldError, NotFound
from servicekit.http.tokens import Principal
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.ids import new_id
from servicekit.tenancy import report
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change


class Invitations:
    """What the routes can ask for about invitations."""

    def __init__(self, db: Database, attempts: Attempts, *, per_business: int, clock: Clock) -> None:
        self._db = db
        self._attempts = attempts
        self._per_business = per_business
        self._clock = clock

    async def invite(
        self,
        principal: Principal,
        key: IdempotencyKey | None,
        email: str,
        name: str,
        role: Role,
        answer: Callable[[Invitation], BaseModel],
    ) -> Outcome:
        """Invites by mail; an invitation of the same address that still waits is withdrawn for it.

        Raises Conflict for somebody who works there already, TenantSuspended, TooManyAttempts; SessionEnded, so
        that nobody who was removed invites themselves with the token that they still have.
        """
        tenant_id = principal.tenant_id
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            await require_current(conn, principal, self._clock)

            async def effect() -> BaseModel:
                await self._attempts.count(conn, Limit(f"invite:business:{tenant_id}", self._per_business))
                if await store.is_member(conn, tenant_id, email):
                    raise Conflict(
                        f"{email} works here already.", errors=(FieldError("/email", "works here already"),)
                    )
                invited_by = principal.user_id
                return answer(await issue(conn, tenant_id, email, name, role, invited_by, self._clock))

            return await once(conn, tenant_id, key, effect)

    async def page(self, principal: Principal, after: UUID | None, limit: int) -> list[Invitation]:
        """Invitations by id, `limit` at most, behind `after`.

        Raises NotFound for a business not served; SessionEnded as `invite`.
        """
        tenant_id = principal.tenant_id
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            await require_current(conn, principal, self._clock)
            return await store.invitation_page(conn, tenant_id, after, limit)

    async def withdraw(self, principal: Principal, invitation_id: UUID) -> None:
        """Makes a pending invitation's links void.

        Raises NotFound; Conflict once it was accepted; SessionEnded as `invite`.
        """
        tenant_id = principal.tenant_id
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)
            await require_current(conn, principal, self._clock)
            invitation = await store.lock_invitation(conn, tenant_id, invitation_id)
            if invitation is None:
                raise NotFound("There is no such invitation.")
            if invitation.state is InvitationState.ACCEPTED:
                raise Conflict("This invitation was accepted already.")
            await store.set_invitation_state(conn, invitation, InvitationState.WITHDRAWN)
            await _void(conn, tenant_id, invitation_id)


async def issue(
    conn: Connection,
    tenant_id: UUID,
    email: str,
    name: str,
    role: Role,
    invited_by: UUID | None,
    clock: Clock,
) -> Invitation:
    """A new pending invitation with its mail in the queue, in place of one that waits for the same address."""
    now = clock()
    for replaced in await store.withdraw_pending(conn, tenant_id, email):
        await _void(conn, tenant_id, replaced)
    invitation = await store.add_invitation(
        conn, tenant_id, new_id(), email=email, name=name, role=role, invited_by=invited_by, now=now
    )
    await queue_store.queue_mail(conn, tenant_id, now, invitation_id=invitation.invitation_id)
    return invitation


async def _void(conn: Connection, tenant_id: UUID, invitation_id: UUID) -> None:
    await store.delete_invitation_links(conn, tenant_id, invitation_id)
    await queue_store.delete_mail_of_invitation(conn, tenant_id, invitation_id)


async def invite_owner(conn: Connection, tenant: TenantChanged, clock: Clock) -> Invitation:
    """The invitation of the owner that the record names: the one there is, or a new one.

    An address that was corrected before anyone accepted gets its own; one that the mail server refused, or could
    not take, is tried again when the record changes. Once accepted, the record's owner has no effect any more.
    """
    tenant_id, owner = tenant.tenant_id, tenant.owner
    last = await store.lock_owner_invitation(conn, tenant_id)
    if last is not None and last.state is InvitationState.ACCEPTED:
        return last
    if (
        last is not None
        and last.state is InvitationState.PENDING
        and last.email.casefold() == owner.email.casefold()
    ):
        if last.refused is not None:
            await queue_store.queue_mail(conn, tenant_id, clock(), invitation_id=last.invitation_id)
        return last
    if last is not None and last.state is InvitationState.PENDING:
        await store.set_invitation_state(conn, last, InvitationState.WITHDRAWN)
        await _void(conn, tenant_id, last.invitation_id)
    return await issue(conn, tenant_id, owner.email, owner.name, Role.OWNER, None, clock)


async def report_owner(
    conn: Connection, tenant: TenantChanged, invitation: Invitation, clock: Clock, *, delayed: bool = False
) -> None:
    """Tells the operator how far the owner's invitation is; nothing while a first mail is on its way.

    `invitation` is locked, so that reports come in the order of its changes. `delayed`: the mail server could not
    be reached.
    """
    accepted = invitation.state is InvitationState.ACCEPTED
    state = ComponentState.READY
    if accepted:
        reason, message = "OwnerAccepted", "The owner has set a password."
    elif invitation.sent_at is not None:
        reason, message = "OwnerInvited", "The owner's invitation was mailed."
    elif delayed:
        state, reason = ComponentState.FAILED, "MailUnavailable"
        message = "The mail server cannot take the owner's invitation at the moment; auth goes on trying."
    elif invitation.refused == MAIL_GIVEN_UP:
        state, reason = ComponentState.FAILED, "OwnerMailGivenUp"
        message = (
            f"The owner's invitation was given up: {MAIL_GIVEN_UP}. A change of the spec sends it again."
        )
    elif invitation.refused is not None:
        state, reason = ComponentState.FAILED, "OwnerMailRefused"
        message = f"The owner's invitation cannot be mailed ({invitation.refused}). Correct spec.owner.email."
    else:
        return
    await report(
        conn,
        Component.AUTH,
        tenant.tenant_id,
        tenant.generation,
        state,
        reason,
        message,
        StatusDetails(owner_invited=accepted or invitation.sent_at is not None, owner_accepted=accepted),
        clock=clock,
    )
