"""What a business may do with its webhook endpoints. Called by the routes; opens the transactions.

A secret is shown only in the answer to the request that made it: a replay for the Idempotency-Key has none.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from contracts.platform import TenantChanged
from notification import trail
from notification.webhooks import store
from notification.webhooks.delivery import disable, enable
from notification.webhooks.domain import (
    MAX_ENDPOINTS,
    MAX_SECRETS,
    ROTATION,
    TEST,
    Attempt,
    Delivery,
    DeliveryStatus,
    DisabledFor,
    Endpoint,
)
from notification.webhooks.errors import WebhooksOff
from notification.webhooks.payloads import payload
from notification.webhooks.signing import new_secret, written
from notification.webhooks.store import SealedSecret
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Conflict, Invalid, NotFound, PreconditionFailed, QuotaExceeded
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.ids import new_id
from servicekit.outbound import OutboundClient, OutboundFailed, OutboundRefused
from servicekit.sealing import Seal
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change

Shown = tuple[Endpoint, datetime | None]
"""An endpoint, and until when a replaced secret signs beside the present one, if any does."""
Answer = Callable[[Shown, str | None], BaseModel]
"""Makes the answer that shows an endpoint, with its secret or without one."""
Logged = tuple[Delivery, list[Attempt]]
"""A delivery with its attempts, in their order."""


class WebhookService:
    """What the routes can ask for. `seal` is None where the platform has no key, and so no webhooks."""

    def __init__(
        self, db: Database, outbound: OutboundClient, seal: Seal | None, *, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._outbound = outbound
        self._seal = seal
        self._clock = clock

    async def endpoints(self, tenant_id: UUID, after: UUID | None, limit: int) -> list[Shown]:
        """By id, `limit` at most, behind `after`. Raises NotFound for a business that is not served."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            found = await store.endpoints(conn, tenant_id, after, limit)
            old = await store.old_secrets(conn, tenant_id, self._clock()) if found else {}
            return [(item, old.get(item.endpoint_id)) for item in found]

    async def endpoint(self, tenant_id: UUID, endpoint_id: UUID) -> Shown:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await self._shown(conn, _found(await store.endpoint(conn, tenant_id, endpoint_id)))

    async def add(
        self,
        tenant_id: UUID,
        key: IdempotencyKey | None,
        url: str,
        events: list[str],
        description: str,
        answer: Answer,
    ) -> Outcome:
        """`answer` is given the endpoint and its secret; a replay's has None in its place.

        Raises WebhooksOff, QuotaExceeded where the plan has no webhooks, TenantSuspended, Invalid for an address
        that is not called, Conflict when there are too many.
        """
        seal = self._sealing()
        await self._check(url)
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_to_change(conn, tenant_id)
            require_active(tenant)
            _require_feature(tenant)

            async def effect() -> tuple[Shown, str]:
                if await store.lock_count(conn, tenant_id) >= MAX_ENDPOINTS:
                    raise Conflict(f"There are {MAX_ENDPOINTS} webhook endpoints already; delete one first.")
                endpoint = await store.add_endpoint(
                    conn, tenant_id, new_id(), url, events, description, self._clock()
                )
                await trail.endpoint(conn, tenant_id, "webhook-endpoint.added", None, endpoint)
                return (endpoint, None), await _new_secret(conn, seal, endpoint)

            return await _shown_once(conn, tenant_id, key, effect, answer, status=201)

    async def edit(
        self, tenant_id: UUID, endpoint_id: UUID, version: int | None, fields: dict[str, Any]
    ) -> Shown:
        """Changes url, events, description or enabled. An endpoint that is enabled or moved counts as not failing.

        Raises NotFound, PreconditionFailed, Invalid, TenantSuspended.
        """
        if "url" in fields:
            await self._check(fields["url"])
        enabled = fields.pop("enabled", None)
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            present = _found(await store.lock_endpoint(conn, tenant_id, endpoint_id))
            if version not in {None, present.version}:
                raise PreconditionFailed("The endpoint was edited in the meantime; read it again.")
            made = await self._edited(conn, present, enabled, fields)
            await trail.endpoint(conn, tenant_id, "webhook-endpoint.changed", present, made)
            return await self._shown(conn, made)

    async def delete(self, tenant_id: UUID, endpoint_id: UUID) -> None:
        """Deletes an endpoint; notification.webhooks.workers removes its deliveries and log. Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)
            removed = _found(await store.lock_endpoint(conn, tenant_id, endpoint_id))
            await store.delete_endpoints(conn, tenant_id, self._clock(), endpoint_id)
            await trail.endpoint(conn, tenant_id, "webhook-endpoint.removed", removed, None)

    async def rotate_secret(
        self, tenant_id: UUID, endpoint_id: UUID, key: IdempotencyKey | None, answer: Answer
    ) -> Outcome:
        """A new secret, answered as by `add`; those before it sign beside it for a day.

        Raises NotFound, WebhooksOff, Conflict.
        """
        seal, now = self._sealing(), self._clock()
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            endpoint = _found(await store.lock_endpoint(conn, tenant_id, endpoint_id))

            async def effect() -> tuple[Shown, str]:
                if len(await store.secrets(conn, tenant_id, endpoint_id, now)) >= MAX_SECRETS:
                    raise Conflict(
                        f"{MAX_SECRETS} secrets of this endpoint sign already; wait until a day has passed since "
                        "the first of them was replaced, or delete the endpoint and make another."
                    )
                await store.replace_secret(conn, tenant_id, endpoint_id, now + ROTATION)
                await trail.secret_rotated(conn, tenant_id, endpoint_id)
                return (endpoint, now + ROTATION), await _new_secret(conn, seal, endpoint)

            return await _shown_once(conn, tenant_id, key, effect, answer, status=200)

    async def send_test(
        self,
        tenant_id: UUID,
        endpoint_id: UUID,
        key: IdempotencyKey | None,
        answer: Callable[[Delivery], BaseModel],
    ) -> Outcome:
        """Queues a delivery of type `webhook.test`. Raises NotFound, Conflict for a disabled endpoint."""
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            endpoint = _found(await store.lock_endpoint(conn, tenant_id, endpoint_id))

            async def effect() -> BaseModel:
                _require_enabled(endpoint)
                now = self._clock()
                told = {"tenant_id": str(tenant_id), "endpoint_id": str(endpoint_id)}
                body = payload(TEST, now, told)
                delivery_id = await store.queue(conn, tenant_id, endpoint_id, str(new_id()), TEST, body, now)
                assert delivery_id is not None  # noqa: S101 - its id is new
                return answer(
                    _found_delivery(await store.delivery(conn, tenant_id, endpoint_id, delivery_id))
                )

            return await once(conn, tenant_id, key, effect)

    async def deliveries(
        self,
        tenant_id: UUID,
        endpoint_id: UUID,
        *,
        status: DeliveryStatus | None,
        event_type: str | None,
        after: UUID | None,
        limit: int,
    ) -> list[Logged]:
        """The newest first. Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            _found(await store.endpoint(conn, tenant_id, endpoint_id))
            found = await store.deliveries(
                conn,
                tenant_id,
                endpoint_id,
                status=status,
                event_type=event_type,
                after=after,
                limit=limit,
            )
            attempts = await store.attempts(conn, tenant_id, [item.delivery_id for item in found])
            return [(item, attempts.get(item.delivery_id, [])) for item in found]

    async def delivery(self, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> Logged:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await _logged(
                conn, _found_delivery(await store.delivery(conn, tenant_id, endpoint_id, delivery_id))
            )

    async def resend(self, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> Logged:
        """Sends it again at once, under the same webhook-id, and starts its retry schedule anew.

        Raises NotFound, Conflict for a disabled endpoint or while an attempt is under way.
        """
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            endpoint = _found(await store.lock_endpoint(conn, tenant_id, endpoint_id))
            found = _found_delivery(await store.delivery(conn, tenant_id, endpoint_id, delivery_id))
            _require_enabled(endpoint)
            queued = await store.resend(conn, found, self._clock())
            if queued is None:
                raise Conflict("An attempt is under way; look at what comes of it first.")
            return await _logged(conn, queued)

    async def _edited(
        self, conn: Connection, present: Endpoint, enabled: bool | None, fields: dict[str, Any]
    ) -> Endpoint:
        """Stores the changes of a locked endpoint; `enabled` is None to leave that as it is."""
        changed = replace(present, **fields)
        if enabled is False and present.enabled:
            return await disable(conn, changed, DisabledFor.OWNER, self._clock)
        if enabled and not present.enabled:
            return await enable(conn, present, changed, self._clock)
        if changed.url != present.url:
            changed = replace(changed, failing_since=None)
        return await store.update_endpoint(conn, changed)

    async def _shown(self, conn: Connection, endpoint: Endpoint) -> Shown:
        of = endpoint.endpoint_id
        old = await store.old_secrets(conn, endpoint.tenant_id, self._clock(), of)
        return endpoint, old.get(of)

    def _sealing(self) -> Seal:
        if self._seal is None:
            raise WebhooksOff("This platform keeps no webhook endpoints; turn to its team.")
        return self._seal

    async def _check(self, url: str) -> None:
        """Raises Invalid for an address that is not called, also by what its host resolves to.

        Each delivery checks again, as that may change.
        """
        try:
            await self._outbound.check_host(url)
        except (OutboundRefused, OutboundFailed) as error:
            raise Invalid.field("/url", str(error)) from None


async def _shown_once(
    conn: Connection,
    tenant_id: UUID,
    key: IdempotencyKey | None,
    effect: Callable[[], Awaitable[tuple[Shown, str]]],
    answer: Answer,
    *,
    status: int,
) -> Outcome:
    """As servicekit.idempotency.once, but the answer that is kept for the key does not have the secret."""
    shown: BaseModel | None = None

    async def kept() -> BaseModel:
        nonlocal shown
        made, secret = await effect()
        shown = answer(made, secret)
        return answer(made, None)

    outcome = await once(conn, tenant_id, key, kept, status=status)
    return Outcome(outcome.status, shown.model_dump_json().encode()) if shown else outcome


async def _new_secret(conn: Connection, seal: Seal, endpoint: Endpoint) -> str:
    """Makes and stores one; answers it as its owner sees it."""
    secret, secret_id = new_secret(), new_id()
    sealed = SealedSecret(secret_id, seal.seal(str(secret_id), secret))
    await store.add_secret(conn, endpoint.tenant_id, endpoint.endpoint_id, sealed)
    return written(secret)


async def _logged(conn: Connection, delivery: Delivery) -> Logged:
    found = await store.attempts(conn, delivery.tenant_id, [delivery.delivery_id])
    return delivery, found.get(delivery.delivery_id, [])


def _require_feature(tenant: TenantChanged) -> None:
    if not tenant.features.get("webhooks", True):
        plan = tenant.plan
        raise QuotaExceeded(
            f"The plan {plan.display_name} has no webhooks.",
            metric="webhooks",
            limit=0,
            used=0,
            plan=plan.name,
        )


def _require_enabled(endpoint: Endpoint) -> None:
    if not endpoint.enabled:
        raise Conflict('The endpoint is disabled; PATCH it with {"enabled": true} first.')


def _found(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        raise NotFound("There is no such webhook endpoint.")
    return endpoint


def _found_delivery(delivery: Delivery | None) -> Delivery:
    if delivery is None:
        raise NotFound("There is no such delivery; they are kept for 30 days.")
    return delivery
