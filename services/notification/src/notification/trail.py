"""What notification writes into the audit trail; see servicekit.audit. Called by the service layers.

Wording, quiet hours and endpoints are the business's own, so their values are shown. A suppressed address is not,
nor its digest; nor what follows the path of an endpoint's URL, where receivers put tokens, as an entry outlives its
endpoint. A change that changes nothing is not written.
"""

from typing import Any
from uuid import UUID

from contracts.booking import Channel
from notification.quiet import QuietHours
from notification.suppression import Scope, Suppression
from notification.webhooks.domain import Endpoint
from notification.wording import TemplateKind, Wording
from servicekit import audit
from servicekit.db import Connection


async def wording(
    conn: Connection,
    tenant_id: UUID,
    kind: TemplateKind,
    channel: Channel,
    language: str,
    before: Wording,
    after: Wording,
) -> None:
    """A change of a business's own wording; a part is None where it uses the platform's."""
    template = f"{kind}/{channel.value}/{language}"
    changes = audit.changed(_words(template, before), _words(template, after))
    if changes:
        await audit.record(
            conn, tenant_id, "message-template.changed", "message-template", tenant_id, changes
        )


async def quiet_hours(conn: Connection, tenant_id: UUID, before: QuietHours, after: QuietHours) -> None:
    """A change of the quiet hours."""
    changes = audit.changed(_hours(before), _hours(after))
    if changes:
        await audit.record(conn, tenant_id, "quiet-hours.changed", "quiet-hours", tenant_id, changes)


async def suppressed(
    conn: Connection,
    tenant_id: UUID,
    before: Scope | None,
    after: Suppression,
    *,
    customer_id: UUID | None = None,
) -> None:
    """An address is added to the list (`before` is None), or the scope of an entry changes.

    `customer_id` is the customer who did it; None when somebody else did.
    """
    action = "suppression.added" if before is None else "suppression.changed"
    old = {} if before is None else _suppression(after) | {"scope": before}
    changes = audit.changed(old, _suppression(after), hidden=("address",))
    if changes:
        await audit.record(
            conn, tenant_id, action, "suppression", after.suppression_id, changes, customer_id=customer_id
        )


async def unsuppressed(
    conn: Connection, tenant_id: UUID, before: Suppression, *, customer_id: UUID | None = None
) -> None:
    """An entry is removed from the list; `customer_id` as in `suppressed`."""
    changes = audit.changed(_suppression(before), {}, hidden=("address",))
    await audit.record(
        conn,
        tenant_id,
        "suppression.removed",
        "suppression",
        before.suppression_id,
        changes,
        customer_id=customer_id,
    )


async def endpoint(
    conn: Connection, tenant_id: UUID, action: str, before: Endpoint | None, after: Endpoint | None
) -> None:
    """A webhook endpoint is added (`before` is None), changed, or deleted (`after` is None)."""
    one = after or before
    assert one is not None  # noqa: S101 - one of them is there
    changes = audit.changed(_endpoint(before), _endpoint(after), hidden=("url_query",))
    if changes:
        await audit.record(conn, tenant_id, action, "webhook-endpoint", one.endpoint_id, changes)


async def secret_rotated(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """An endpoint has a new secret."""
    await audit.record(conn, tenant_id, "webhook-endpoint.secret-rotated", "webhook-endpoint", endpoint_id)


def _words(template: str, own: Wording) -> dict[str, Any]:
    return {f"{template}/{part}": words for part, words in own.parts().items()}


def _hours(quiet: QuietHours) -> dict[str, Any]:
    return {
        "from": quiet.begins,
        "to": quiet.ends,
        "channels": sorted(quiet.channels),
        "notices": quiet.notices,
    }


def _suppression(item: Suppression) -> dict[str, Any]:
    """`address` stands for the address, which is not known here: the entry shows it as hidden."""
    return {"channel": item.channel, "reason": item.reason, "scope": item.scope, "address": True}


def _endpoint(item: Endpoint | None) -> dict[str, Any]:
    if item is None:
        return {}
    shown = item.url.partition("#")[0].partition("?")[0]
    return {
        "url": shown,
        "url_query": item.url.removeprefix(shown) or None,
        "events": item.events,
        "description": item.description,
        "enabled": item.enabled,
    }
