"""The tenants in memory: generations, names that are given again, tombstones."""

from contracts.platform import TenantState
from servicekit.directory import Tenants
from support.tenants import new_tenant


def test_an_older_record_changes_nothing() -> None:
    tenants = Tenants()
    tenant = new_tenant(generation=2)
    assert tenants.put(tenant)
    assert not tenants.put(tenant.model_copy(update={"generation": 1, "state": TenantState.DELETING}))
    assert tenants.by_id(tenant.tenant_id) == tenant
    newer = tenant.model_copy(update={"generation": 3, "state": TenantState.SUSPENDED})
    assert tenants.put(newer)
    assert tenants.by_slug(tenant.slug) == newer


def test_a_tombstone_removes_and_a_second_one_is_nothing_new() -> None:
    tenants = Tenants()
    tenant = new_tenant()
    tenants.put(tenant)
    for _ in range(2):
        tenants.remove(tenant.tenant_id)
        assert tenants.by_id(tenant.tenant_id) is None
        assert tenants.by_slug(tenant.slug) is None
    assert len(tenants) == 0


def test_a_name_that_was_given_again_stays_with_its_new_bearer() -> None:
    tenants = Tenants()
    first, second = new_tenant(slug="riverside"), new_tenant(slug="riverside")
    tenants.put(first)
    tenants.put(second)
    tenants.remove(first.tenant_id)
    assert tenants.by_slug("riverside") == second


def test_a_name_that_was_given_again_is_its_new_bearers_in_whatever_order_the_two_are_read() -> None:
    """Each tenant's records keep their order; the two are in different partitions of the topic."""
    first, second = new_tenant(slug="riverside"), new_tenant(slug="riverside")
    going = first.model_copy(update={"generation": 2, "state": TenantState.DELETING})
    tenants = Tenants()
    tenants.put(second)
    tenants.put(first)
    tenants.put(going)
    assert tenants.by_slug("riverside") == second
    tenants.remove(first.tenant_id)
    assert tenants.by_slug("riverside") == second
    tenants.remove(second.tenant_id)
    assert tenants.by_slug("riverside") is None
