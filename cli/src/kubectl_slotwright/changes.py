"""`pause`, `resume` and `erase`: change a Tenant and wait until the operator says that it is done."""

import sys
from dataclasses import replace
from typing import Any

import click

from kubectl_slotwright import receipt
from kubectl_slotwright.errors import NotFoundError, PluginError
from kubectl_slotwright.kubectl import OPERATOR, Kubectl
from kubectl_slotwright.objects import ABANDON_ANNOTATION, PAUSED_ANNOTATION, Tenant, event_of, tenant_of
from kubectl_slotwright.screen import clean
from kubectl_slotwright.session import Session
from kubectl_slotwright.waiting import until

_PAUSED = "Paused"
_OVERDUE = "DeletionOverdue"
_PATIENCE = "10s"
"""The timeout of each request while waiting. Without one, kubectl waits for a silent API server for ever."""
_RECEIPT_SECONDS = 10.0
"""The operator writes the receipt before it lets the object go; an Event may still be seen a moment later."""


def set_paused(session: Session, name: str, *, paused: bool, seconds: float | None) -> None:
    """Sets or takes away the annotation; waits until Ready's reason says so, not at all if `seconds` is None."""
    annotations = {PAUSED_ANNOTATION: "true" if paused else None}
    tenant = tenant_of(session.kubectl.patch(name, {"metadata": {"annotations": annotations}}))
    told: Tenant | None = None
    unread: PluginError | None = None
    if seconds is not None:
        kubectl = _polling(session)

        def look() -> Tenant | None:
            nonlocal tenant, unread
            unread = None
            try:
                tenant = tenant_of(kubectl.tenant(name))
            except NotFoundError:
                raise
            except PluginError as error:  # the API server may be away for a moment
                unread = error
                return None
            return tenant if (tenant.ready.reason == _PAUSED) == paused else None

        told = until(look, seconds)
    word = "paused" if paused else "resumed"
    state = "" if seconds is None else f": Ready is {tenant.ready.status}, {tenant.ready.reason}"
    if seconds is None or told is not None:
        session.emit(_pause_json(tenant, paused, confirmed=told is not None), [f"{name} is {word}{state}."])
        return
    if unread is not None:
        raise PluginError(f"{name} has been told, but whether it is {word} cannot be read. {unread.message}")
    raise PluginError(
        f"{name} has been told, but within {seconds:.0f} s the operator has not said that it is {word}; see"
        f" `kubectl --namespace {session.kubectl.namespace} logs --selector {OPERATOR}`."
    )


def erase(session: Session, name: str, *, yes: bool, seconds: float) -> None:
    """Asks, deletes with deletionPolicy Delete, waits, and shows the receipt."""
    tenant = tenant_of(session.kubectl.tenant(name))
    if tenant.paused:
        raise PluginError(
            f"{name} is paused, so the operator would not delete it; `kubectl slotwright resume {name}` first."
        )
    _require_events(session, tenant)
    if not yes:
        _ask(tenant)
    # The uid keeps it from another tenant that has got the name in the meantime.
    change = {"metadata": {"uid": tenant.uid}, "spec": {"deletionPolicy": "Delete"}}
    tenant = tenant_of(session.kubectl.patch(name, change))
    if tenant.deleted_at is None:
        session.kubectl.delete(name)
    last, gone = _wait_until_gone(session, tenant, seconds)
    if not gone:
        _not_gone(session, last, seconds)
    _gone(session, last)


def _require_events(session: Session, tenant: Tenant) -> None:
    """Reads the Events before anything is done: without the right to read them, the receipt would be lost."""
    try:
        session.kubectl.events(tenant.uid)
    except PluginError as error:
        raise PluginError(
            f"Nothing has been done to {tenant.name}, as its receipt could not be read. {error.message}"
        ) from error


def _ask(tenant: Tenant) -> None:
    if not _at_a_terminal():
        raise click.UsageError("Erasing cannot be undone: there is no terminal to confirm it at; give --yes.")
    click.echo(
        f"This erases {tenant.name} ({clean(tenant.display_name)}, tenant id {tenant.tenant_id}) in every service:"
        " staff, appointments, customers, messages. It cannot be undone.",
        err=True,
    )
    if (
        click.prompt("Type the tenant's name to go on", default="", show_default=False, err=True)
        != tenant.name
    ):
        raise PluginError(f"That is not its name; nothing has been done to {tenant.name}.")


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _wait_until_gone(session: Session, tenant: Tenant, seconds: float) -> tuple[Tenant, bool]:
    """Tells whom it waits for, each time that changes. Answers the tenant as seen last, and whether it is gone.

    A deletion that becomes overdue is not waited for any longer; one that was so already is, as that is what the
    command has been run again for.
    """
    last = tenant
    # What it says is news only once the deletion has begun.
    said = "" if tenant.deleted_at else tenant.ready.message
    overdue_already = bool(tenant.deleted_at) and tenant.ready.reason == _OVERDUE
    kubectl = _polling(session)

    def tell(sentence: str) -> None:
        nonlocal said
        if sentence != said:
            said = sentence
            session.tell(clean(sentence))

    def look() -> bool | None:
        nonlocal last
        try:
            found = tenant_of(kubectl.tenant(tenant.name))
        except NotFoundError:
            return True
        except (
            PluginError
        ) as error:  # the API server may be away for a moment; the deletion goes on without us
            tell(error.message)
            return None
        if found.uid != tenant.uid:
            return True
        last = found
        if last.deleted_at:
            tell(last.ready.message)
        return False if last.ready.reason == _OVERDUE and not overdue_already else None

    gone = bool(until(look, seconds))
    return last, gone


def _not_gone(session: Session, tenant: Tenant, seconds: float) -> None:
    overdue = tenant.ready.reason == _OVERDUE
    session.emit(_erase_json(tenant, "Overdue" if overdue else "Waiting", tenant.ready.message), ())
    if not overdue:
        raise PluginError(
            f"{tenant.name} is not gone after {seconds:.0f} s. The deletion goes on; run the command again to wait"
            f" for it, `kubectl slotwright status {tenant.name}` says for whom."
        )
    raise PluginError(
        f"The deletion of {tenant.name} is overdue: {clean(tenant.ready.message)} Look at the component that is"
        " missing (is it running, what does it log?) and run the command again to wait. If it will not come back,"
        f" let the tenant go without it: `kubectl annotate tenant {tenant.name} {ABANDON_ANNOTATION}=true`."
    )


def _gone(session: Session, tenant: Tenant) -> None:
    """`tenant` as it was seen last."""
    kubectl = _polling(session)
    unread: PluginError | None = None

    def look() -> receipt.Receipt | None:
        nonlocal unread
        try:
            events = kubectl.events(tenant.uid)
        except PluginError as error:
            unread = error
            return None
        unread = None
        return receipt.receipt_of(event_of(body) for body in events)

    found = until(look, _RECEIPT_SECONDS)
    if found is None and unread is not None:
        raise PluginError(f"{tenant.name} is gone, but its receipt cannot be read. {unread.message}")
    if found is None and "recordGeneration" not in tenant.status:
        sentence = "No service had been told of it, so there was nothing to erase."
        session.emit(_erase_json(tenant, receipt.ERASED, sentence), [f"{tenant.name} is gone. {sentence}"])
        return
    if found is None:
        session.emit(_erase_json(tenant, "NoReceipt", "The operator has left no Event about the end."), ())
        raise PluginError(
            f"{tenant.name} is gone, but the operator has left no receipt; its log tells what was done for"
            f" tenant id {tenant.tenant_id}."
        )
    body = {"tenant": tenant.name, "tenantId": tenant.tenant_id} | receipt.to_json(found)
    session.emit(body, receipt.to_text(found, session.screen))
    if found.outcome == receipt.ABANDONED:
        raise PluginError(
            f"{tenant.name} was let go before every component had confirmed; what they left stays."
        )


def _polling(session: Session) -> Kubectl:
    """kubectl with a timeout for each request, for asking again and again."""
    return replace(session.kubectl, patience=_PATIENCE)


def _pause_json(tenant: Tenant, paused: bool, *, confirmed: bool) -> dict[str, Any]:
    return {
        "tenant": tenant.name,
        "paused": paused,
        "confirmed": confirmed,
        "ready": tenant.ready.status,
        "reason": tenant.ready.reason,
        "message": tenant.ready.message,
    }


def _erase_json(tenant: Tenant, outcome: str, message: str) -> dict[str, Any]:
    return {
        "tenant": tenant.name,
        "tenantId": tenant.tenant_id,
        "outcome": outcome,
        "time": None,
        "message": message,
        "rows": {},
        "total": 0,
    }
