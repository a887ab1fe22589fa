"""What auth does as tenants come, change and go; and that the same event twice does it once."""

from typing import Any

import psycopg
import pytest

from contracts.platform import DeletionPolicy, Owner, TenantChanged
from integration.auth.world import World, new_email, tenant_of, wish
from support.events import until
from support.tenants import new_tenant


def _invitations(world: World, tenant: TenantChanged) -> list[tuple[str, str]]:
    rows = world.rows(
        "SELECT email, state FROM invitation WHERE tenant_id = %s ORDER BY invitation_id", tenant.tenant_id
    )
    return [(row["email"], row["state"]) for row in rows]


def test_a_changed_tenant_invites_nobody_again(world: World) -> None:
    tenant = new_tenant(owner=Owner(email=new_email(), name="Ada"))
    world.announce(tenant)
    world.status(tenant, "OwnerInvited")
    world.announce(tenant)
    changed = world.change(tenant, display_name="Riverside & Sons")
    world.status(changed, "OwnerInvited")
    assert _invitations(world, tenant) == [(tenant.owner.email, "pending")]
    assert len(world.mails(tenant.owner.email)) == 1


def test_an_address_that_is_corrected_before_it_is_used_gets_its_own(world: World) -> None:
    tenant = new_tenant(owner=Owner(email=new_email(), name="Ada"))
    world.announce(tenant)
    (old,) = world.links(tenant.owner.email)
    changed = world.change(tenant, owner=Owner(email=new_email(), name="Ada"))
    (new,) = world.links(changed.owner.email)
    world.status(changed, "OwnerInvited")
    assert world.set_password(old).status_code == 422
    assert world.set_password(new).status_code == 200
    world.status(changed, "OwnerAccepted")
    once_more = world.change(changed, owner=Owner(email=new_email(), name="Eve"))
    world.status(once_more, "OwnerAccepted")
    assert _invitations(world, tenant) == [
        (tenant.owner.email, "withdrawn"),
        (changed.owner.email, "accepted"),
    ]


def test_an_owner_of_two_businesses_is_one_user(world: World) -> None:
    first, owner = world.business()
    second = new_tenant(owner=Owner(email=owner.email, name="Ada"))
    before = len(world.mails(owner.email))
    world.announce(second)
    world.accept(owner.email, count=before + 1)
    slugs = {item["slug"]: item["role"] for item in world.sign_in(owner.email).session["businesses"]}
    assert slugs == {first.slug: "owner", second.slug: "owner"}


def test_erasing_a_business_erases_its_people_but_not_those_who_work_elsewhere(world: World) -> None:
    wanted = wish()
    signup = world.post("/v1/signups", wanted).json()
    tenant = tenant_of(wanted)
    world.announce(tenant)
    world.accept(wanted["email"])
    owner = world.sign_in(wanted["email"])
    _, other = world.business()
    shared = world.colleague(owner)
    before = len(world.mails(shared.email))
    world.post("/v1/invitations", {"email": shared.email, "name": "Bo"}, other)
    world.accept(shared.email, count=before + 1)

    erased = world.delete(tenant, DeletionPolicy.DELETE)["details"]["erased"]
    assert (erased["membership"], erased["users"], erased["signup"]) == (2, 1, 1)
    assert world.rows("SELECT 1 FROM users WHERE email = %s", owner.email) == []
    assert world.call("GET", f"/v1/signups/{signup['id']}").status_code == 404
    businesses = world.sign_in(shared.email).session["businesses"]
    assert [item["role"] for item in businesses] == ["staff"]
    tables = world.rows(
        "SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND c.relname NOT IN ('tenants', 'tenant_status')"
    )
    for table in tables:
        left = world.rows(f"SELECT 1 FROM {table['name']} WHERE tenant_id = %s", tenant.tenant_id)
        assert left == [], table["name"]


def test_retaining_a_business_keeps_its_rows_and_voids_what_leads_in(world: World) -> None:
    tenant, owner = world.business()
    email = new_email()
    world.post("/v1/invitations", {"email": email, "name": "Bo"}, owner)
    (token,) = world.links(email)
    archived = world.delete(tenant, DeletionPolicy.RETAIN)["details"]["archived"]
    assert archived["membership"] == 1
    assert world.set_password(token).status_code == 422
    world.post("/v1/passwords/reset-requests", {"email": email})
    until(lambda: not world.rows("SELECT 1 FROM mail WHERE reset_email = %s", email), "the request is done")
    assert len(world.mails(email)) == 1


def test_an_owner_whom_no_mail_can_reach_is_told_to_the_operator_and_a_correction_helps(world: World) -> None:
    tenant = new_tenant(owner=Owner(email="not an address", name="Ada"))
    world.announce(tenant)
    status = world.status(tenant, "OwnerMailRefused")
    assert status["state"] == "failed"
    assert "spec.owner.email" in status["message"]
    assert status["details"]["owner_invited"] is False
    changed = world.change(tenant, owner=Owner(email=new_email(), name="Ada"))
    assert world.status(changed, "OwnerInvited")["state"] == "ready"


def test_naming_a_user_shows_their_own_memberships_and_sessions_and_nothing_else(world: World) -> None:
    """The policies `own`, on which signing in rests; asked as the app's role, in no tenant's transaction."""
    _, owner = world.business()
    staff = world.colleague(owner)
    world.business()
    url = world.database.settings.database_url.get_secret_value()
    (user,) = world.rows("SELECT user_id FROM users WHERE email = %s", staff.email)
    with psycopg.connect(url) as conn:

        def seen(table: str) -> list[tuple[Any, ...]]:
            return conn.execute(f"SELECT * FROM {table}".encode()).fetchall()

        tables = ("membership", "session", "invitation", "invitation_link", "refresh_token", "mail")
        assert [len(seen(table)) for table in tables] == [0] * 6
        conn.execute("SELECT set_config('app.user_id', %s, true)", (str(user["user_id"]),))
        assert [len(seen(table)) for table in tables] == [1, 1, 0, 0, 0, 0]
        assert seen("membership")[0][1] == seen("session")[0][2] == user["user_id"]
        assert conn.execute("UPDATE membership SET role = 'owner'").rowcount == 0
        assert conn.execute("DELETE FROM membership").rowcount == 0
        assert conn.execute("DELETE FROM session").rowcount == 0
        assert conn.execute("UPDATE session SET ended_at = now()").rowcount == 1
        for member in ("gen_random_uuid()", "app_user()"):
            forged = f"INSERT INTO membership SELECT gen_random_uuid(), {member}, 'owner', now()"
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute(forged.encode())
