"""What the operator decides about an object that was made anew for a business it had lost (docs/backup.md)."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from contracts.platform import ComponentState, TenantState
from tenant_operator.domain import FINALIZER, TenantObject, tenant_id_of
from tenant_operator.reconcile import RemoveFinalizer
from unit.operator.settling import deleting, settled
from unit.operator.surroundings import NOW, UID, Surroundings, tenant, tenant_body

_ANEW: dict[str, Any] = {
    "uid": "0195b3a0-0000-7000-8000-00000000000f",
    "creationTimestamp": NOW.isoformat().replace("+00:00", "Z"),
}


def _made_anew(**metadata: str) -> TenantObject:
    return tenant(_ANEW | metadata, tenantId=str(UID))


def test_an_object_made_anew_is_the_business_that_it_was() -> None:
    world = Surroundings(_made_anew())
    status = world.settle()
    assert world.published is not None
    assert world.published.tenant_id == UUID(status["tenantId"]) == UID
    assert world.tenant.uid != UID
    assert tenant_id_of(tenant_body(_ANEW, tenantId=str(UID))) == UID
    assert tenant_id_of(tenant_body()) == UID


def test_its_record_comes_above_all_that_services_can_have_of_it() -> None:
    """Its status is lost, and Kafka may be: services pass over a record that is no newer than theirs."""
    world = Surroundings(_made_anew())
    status = world.settle()
    assert world.published is not None
    assert world.published.generation == status["recordGeneration"] == int(NOW.timestamp()) + 1
    world.tenant = replace(world.tenant, spec=world.tenant.spec.model_copy(update={"suspended": True}))
    world.settle()
    assert world.published.generation == int(NOW.timestamp()) + 2


def test_an_operator_that_starts_anew_sends_it_no_second_time() -> None:
    world = settled()
    world.tenant = _made_anew()
    world.settle()
    world.done.clear()
    world.settle()
    assert world.done == []


def test_the_id_of_another_business_is_refused_and_nothing_said_about_it() -> None:
    world = settled()
    record = world.published
    world.tenant = _made_anew(name="hillside")
    world.done.clear()
    status = world.settle()
    assert world.condition("Stalled")[:2] == ("True", "TenantIdTaken")
    assert "the business riverside" in world.condition("Stalled")[2]
    assert world.done == []
    assert world.published == record
    assert not {"billing", "usage", "plan", "recordGeneration"} & set(status)


def test_whoever_has_the_id_of_another_business_goes_without_it() -> None:
    """A manifest of a backup may bear the finalizer: then the other business must not be deleted with it."""
    world = settled()
    record = world.published
    world.tenant = replace(_made_anew(name="hillside"), finalizers=(FINALIZER,))
    deleting(world)
    world.done.clear()
    world.settle()
    assert world.done == [RemoveFinalizer()]
    assert world.published == record


def test_one_that_is_deleted_before_any_record_is_erased_all_the_same() -> None:
    """Its status says nothing of a record, and Kafka may have none; the services have its data."""
    world = Surroundings(replace(_made_anew(), finalizers=(FINALIZER,)))
    deleting(world)
    world.settle()
    assert world.published is not None
    assert world.published.state is TenantState.DELETING
    assert FINALIZER in world.tenant.finalizers
    world.answer_all(ComponentState.DELETED)
    world.settle()
    assert FINALIZER not in world.tenant.finalizers
