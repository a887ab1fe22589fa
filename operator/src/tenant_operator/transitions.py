"""What changed between a status and the next: how soon that has to be written, and which Event tells of it.

Pure; called by `reconciler`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, NamedTuple

from tenant_operator.conditions import READY, RECONCILING, STALLED
from tenant_operator.domain import conditions_in

Status = Mapping[str, Any]


class Haste(Enum):
    """How soon a status has to be written."""

    NONE = "equal"
    USE = "only the use has changed"
    PROGRESS = "still under way, and further"
    ROLLOUT = "under way again, though nobody has changed the object, which was settled"
    NOW = "anything else"


class Told(NamedTuple):
    """An Event: its type, reason and note."""

    kind: Literal["Normal", "Warning"]
    reason: str
    message: str


def haste(before: Status, after: Status) -> Haste:
    """How soon `after` has to be written. Steps under way are gathered, as each is a request for every tenant;
    where they end is written at once.

    Gathered is also the first step after a changed plan, which all its tenants take: most are settled again before
    it has to be written.
    """
    if before == after:
        return Haste.NONE
    if _only_use_differs(before, after):
        return Haste.USE
    old, new = conditions_in(before), conditions_in(after)
    under_way = all(
        kind in each and each[kind]["status"] == truth
        for each in (old, new)
        for kind, truth in ((RECONCILING, "True"), (STALLED, "False"))
    )
    on_the_way = {"Pending", "Provisioning"}
    # None: the operator has not written a status yet.
    same = before.get("observedGeneration") in {None, after.get("observedGeneration")}
    if (
        under_way
        and same
        and (new[READY]["reason"] == old[READY]["reason"] or _reasons(old, new) <= on_the_way)
    ):
        return Haste.PROGRESS
    if same and _is(old, READY, "True") and _is(new, RECONCILING, "True") and _reasons(new) <= on_the_way:
        return Haste.ROLLOUT
    return Haste.NOW


def transition(before: Status, after: Status) -> Told | None:
    """The Event that a change of status deserves, one that tells all of it; None when no condition has turned."""
    old, new = conditions_in(before), conditions_in(after)
    ready = new.get(READY)
    if ready is None:
        return None
    turned = [
        item
        for kind, item in new.items()
        if kind not in {READY, RECONCILING, STALLED}
        and item["status"] != "Unknown"
        and item["status"] != old.get(kind, {}).get("status")
    ]
    was = old.get(READY)
    if (
        was is not None
        and (was["status"], was["reason"]) == (ready["status"], ready["reason"])
        and not turned
    ):
        return None
    stuck = STALLED in new and new[STALLED]["status"] == "True"
    bad = stuck or (ready["status"] == "False" and ready["reason"] not in {"Provisioning", "Deleting"})
    words = [
        ready["message"],
        *(f"{item['type']} is {item['status']} ({item['reason']})." for item in turned),
    ]
    return Told("Warning" if bad else "Normal", ready["reason"], " ".join(words))


def _only_use_differs(before: Status, after: Status) -> bool:
    counts = {"usage", "bookings"}
    return all(before.get(name) == after.get(name) for name in (set(before) | set(after)) - counts)


def _is(conditions: Mapping[str, Mapping[str, Any]], kind: str, truth: str) -> bool:
    return conditions.get(kind, {}).get("status") == truth


def _reasons(*conditions: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {each[READY]["reason"] for each in conditions}
