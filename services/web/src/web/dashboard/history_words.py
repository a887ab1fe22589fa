"""Entries of the audit trails as sentences, with a line for each field that changed; shown by `history`.

An action that is not known here, as a newer release may write it, is told as it stands in the trail.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web import times
from web.dashboard.history_values import Known, label, readable, value

_ACTIONS = {
    "appointment.booked": "booked {}",
    "appointment.confirmed": "confirmed {}",
    "appointment.rescheduled": "moved {}",
    "appointment.cancelled": "cancelled {}",
    "appointment.completed": "marked {} as completed",
    "appointment.no-show": "marked {} as one to which nobody came",
    "appointment.notes-changed": "changed the notes of {}",
    "customer.changed": "corrected {}",
    "customer.erased": "erased {}",
    "staff-feed.rotated": "made a new calendar address for {}",
    "staff-feed.withdrawn": "withdrew the calendar address of {}",
    "busy-calendar.set": "connected another calendar of {}",
    "busy-calendar.removed": "disconnected the other calendar of {}",
    "suppression.added": "blocked {}",
    "suppression.changed": "changed how far {} is blocked",
    "suppression.removed": "took {} off the blocked ones",
    "webhook-endpoint.secret-rotated": "made a new secret for {}",
}
_DONE = frozenset({"added", "changed", "removed"})
"""The last parts of other actions: words that can be shown as they are."""
_ENTITIES = {
    "appointment": "an appointment",
    "customer": "a customer",
    "staff": "a staff member",
    "service": "a service",
    "resource": "a room or equipment",
    "profile": "what the business says of itself",
    "holidays": "the holidays",
    "reminder-policy": "the reminders",
    "message-template": "the wording of messages",
    "quiet-hours": "the quiet hours",
    "suppression": "an address",
    "webhook-endpoint": "a webhook",
}
_CUSTOMER = "/dashboard/customers/{}"
_PAGES = {
    "appointment": "/dashboard/appointments/{}",
    "customer": _CUSTOMER,
    "staff": "/dashboard/staff/{}",
    "service": "/dashboard/services/{}",
    "resource": "/dashboard/rooms/{}",
    "webhook-endpoint": "/dashboard/webhooks/{}",
}
_ONLY_ONE = frozenset({"profile", "holidays", "reminder-policy", "message-template", "quiet-hours"})
"""Kinds of which a business has exactly one, under the business's own id."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one field: from `before` to `after`, None where there was or is nothing."""

    label: str
    before: str | None
    after: str | None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """An entry in words: `actor` did `says`, with `entity` in between.

    `page` leads to it, where it is still there, and by `entity_id` its other entries are found.
    """

    at: dt.datetime
    actor: str
    actor_page: str | None
    says: tuple[str, str]
    entity: str
    entity_id: str | None
    page: str | None
    lines: list[Line]
    removed: bool


def told(entry: Mapping[str, Any], known: Known) -> Told:
    """The entry, its times in the business's zone."""
    actor, about, action = entry["actor"], entry["entity"], str(entry["action"])
    gone = action == "customer.erased" or action == f"{about['kind']}.removed"
    page = None if gone else _PAGES.get(about["kind"])
    return Told(
        at=times.local(entry["at"], known.zone),
        actor=_actor(actor, known),
        actor_page=_CUSTOMER.format(actor["id"]) if actor["kind"] == "customer" and actor["id"] else None,
        says=_says(action),
        entity=_entity(entry, known),
        entity_id=None if about["kind"] in _ONLY_ONE else about["id"],
        page=page.format(about["id"]) if page else None,
        lines=_lines(about["kind"], action, entry["changes"], known),
        removed=action.endswith(".removed"),
    )


def _says(action: str) -> tuple[str, str]:
    done = action.rpartition(".")[2]
    words = _ACTIONS.get(action) or (f"{done} {{}}" if done in _DONE else f"{readable(action)}: {{}}")
    before, _, after = words.partition("{}")
    return before, after


def _actor(actor: Mapping[str, Any], known: Known) -> str:
    match actor["kind"]:
        case "customer":
            return "A customer"
        case "system":
            return "Slotwright"
        case _ if known.members is None:
            return "A member"
        case _:
            return known.members.get(actor["id"], "A former member")


def _entity(entry: Mapping[str, Any], known: Known) -> str:
    """Its name at that time, where the entry has it; else its present name, else its kind."""
    kind = entry["entity"]["kind"]
    names = {"staff": known.staff, "service": known.services, "resource": known.things}.get(kind, {})
    said = entry["changes"].get("name", {})
    then = said.get("old") or said.get("new")
    return str(then or names.get(entry["entity"]["id"]) or _ENTITIES.get(kind, readable(kind)))


def _lines(kind: str, action: str, changes: Mapping[str, Any], known: Known) -> list[Line]:
    left_out = {"customer_id"}  # it never changes; the appointment's page leads there
    if kind == "service":
        left_out.add("service_id")
    if kind == "suppression":
        left_out.add("address")
    if "starts_at" in changes:
        left_out.add("ends_at")
    lines = [
        _line(field, change, action, known) for field, change in changes.items() if field not in left_out
    ]
    return [line for line in lines if line.hidden or line.before != line.after]


def _line(field: str, change: Mapping[str, Any], action: str, known: Known) -> Line:
    if change.get("hidden"):
        return Line(label(field), None, None, hidden=True)
    before, after = (value(field, change.get(side), known) for side in ("old", "new"))
    # What was added had no value before, what was removed has none after.
    return Line(
        label(field),
        None if action.endswith((".added", ".booked")) else before,
        None if action.endswith(".removed") else after,
    )
