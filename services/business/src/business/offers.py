"""Checks of a service's fields that need the database. Called by business.service, in its transaction."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from business import store
from contracts.business import Question, ResourceNeed
from servicekit.db import Connection
from servicekit.errors import FieldError, Invalid
from servicekit.ids import new_id


async def faults_of(conn: Connection, tenant_id: UUID, fields: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong about the staff and the needs. Those that exist are locked: none is deleted meanwhile."""
    staff_ids: Sequence[UUID] = fields["staff_ids"]
    known = await store.lock_existing_staff(conn, tenant_id, sorted(set(staff_ids)))
    faults = [
        FieldError(f"/staff_ids/{place}", f"no staff member has the id {staff_id}")
        for place, staff_id in enumerate(staff_ids)
        if staff_id not in known
    ]
    if fields["staff_count"] > max(1, len(set(staff_ids))):
        faults.append(FieldError("/staff_count", "is more than there are in staff_ids"))
    return faults + await _needs_faults(conn, tenant_id, fields["needs"])


async def _needs_faults(conn: Connection, tenant_id: UUID, needs: Sequence[ResourceNeed]) -> list[FieldError]:
    """What is wrong about the needs. A resource may stand in one of them only, or both would count it as free."""
    named = sorted({each for need in needs for each in need.resource_ids})
    capacities = await store.lock_existing_resources(conn, tenant_id, named)
    faults: list[FieldError] = []
    seen: set[UUID] = set()
    for place, need in enumerate(needs):
        for at, each in enumerate(need.resource_ids):
            pointer = f"/needs/{place}/resource_ids/{at}"
            if each not in capacities:
                faults.append(FieldError(pointer, f"no resource has the id {each}"))
            elif each in seen:
                faults.append(FieldError(pointer, "stands in the needs already"))
            seen.add(each)
        there = sum(capacities.get(each, 0) for each in set(need.resource_ids))
        if need.count > there and capacities.keys() >= set(need.resource_ids):
            faults.append(FieldError(f"/needs/{place}/count", f"is more than these resources have: {there}"))
    return faults


def refuse(faults: Sequence[FieldError]) -> None:
    """Raises Invalid when there are any."""
    if faults:
        raise Invalid(faults[0].detail, errors=tuple(faults))


def with_question_ids(
    wanted: Sequence[Mapping[str, Any]], present: Sequence[Question]
) -> tuple[Question, ...]:
    """The questions, new ones with ids of their own. Raises Invalid for an id that is none of the service's."""
    known = {question.question_id for question in present}
    faults = []
    for place, item in enumerate(wanted):
        if item["id"] is not None and item["id"] not in known:
            faults.append(FieldError(f"/questions/{place}/id", "is no question of this service"))
        known.discard(item["id"])
    refuse(faults)
    return tuple(
        Question(question_id=item["id"] or new_id(), **{name: item[name] for name in item if name != "id"})
        for item in wanted
    )


def each_once(fields: Mapping[str, Any], questions: Sequence[Question]) -> dict[str, Any]:
    """The fields of a ServiceOffer; a staff member named twice performs once."""
    return dict(fields) | {
        "staff_ids": tuple(sorted(set(fields["staff_ids"]))),
        "questions": tuple(questions),
    }
