"""Who works at a business: an owner sees it, gives other roles and takes access away; one owner always stays."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from auth.settings import AuthSettings
from auth.workers import AuthHousekeeping
from integration.auth.world import ENCRYPTION_KEY, ENDED, PASSWORD, Person, World, new_email, problem
from servicekit.db import Database
from servicekit.ids import new_id
from support.events import until


def _id(world: World, person: Person) -> str:
    (row,) = world.rows("SELECT user_id FROM users WHERE email = %s", person.email)
    return str(row["user_id"])


def _members(world: World, owner: Person) -> dict[str, str]:
    """Roles by address."""
    answer = world.call("GET", "/v1/members", owner)
    assert answer.status_code == 200, answer.text
    return {item["email"]: item["role"] for item in answer.json()["items"]}


def _remove(world: World, by: Person, whom: Person) -> Any:
    return world.call("DELETE", f"/v1/members/{_id(world, whom)}", by)


def _make(world: World, by: Person, whom: Person, role: str) -> Any:
    return world.call("PATCH", f"/v1/members/{_id(world, whom)}", by, json={"role": role})


def _is_out(world: World, person: Person) -> None:
    """Whatever they hold of a session there opens nothing at auth any more."""
    assert problem(world.refresh(person.session["refresh_token"])) == ENDED
    assert problem(world.call("GET", "/v1/me", person)) == ENDED


def test_the_owner_sees_who_works_there_and_in_which_role(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    world.business()
    assert _members(world, owner) == {owner.email: "owner", staff.email: "staff"}
    first = world.call("GET", "/v1/members?limit=1", owner)
    second = world.call("GET", first.links["next"]["url"], owner)
    items = [*first.json()["items"], *second.json()["items"]]
    assert {item["id"] for item in items} == {_id(world, owner), _id(world, staff)}
    assert {item["name"] for item in items} == {"Ada", "Bo"}
    assert all(item["signed_in_at"] >= item["joined_at"] for item in items)
    assert second.json()["next_cursor"] is None


def test_who_is_removed_is_out_at_once_and_works_on_elsewhere(world: World) -> None:
    tenant, owner = world.business()
    staff = world.colleague(owner)
    elsewhere, other_owner = world.business()
    world.colleague(other_owner, email=staff.email)  # which sets a password, and so ends the first session
    there = world.sign_in(staff.email, business=elsewhere.slug)
    here = world.sign_in(staff.email, business=tenant.slug)

    assert _remove(world, owner, staff).status_code == 204
    _is_out(world, here)
    body = {"email": staff.email, "password": PASSWORD, "business": tenant.slug}
    assert problem(world.post("/v1/sessions", body)) == (403, "no-business")
    assert problem(world.post("/v1/sessions", {"business": tenant.slug}, there)) == (403, "no-business")
    assert _members(world, owner) == {owner.email: "owner"}
    assert world.call("GET", "/v1/me", there).status_code == 200
    assert world.refresh(there.session["refresh_token"]).status_code == 200
    assert _remove(world, owner, staff).status_code == 404, "who is no member any more"
    again = world.colleague(owner, email=staff.email)
    assert world.call("GET", "/v1/me", again).json()["role"] == "staff"


def test_another_role_holds_at_the_next_sign_in_which_comes_at_once(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    raised = _make(world, owner, staff, "owner")
    assert (raised.status_code, raised.json()["role"]) == (200, "owner")
    _is_out(world, staff)
    second = world.sign_in(staff.email)
    assert world.call("GET", "/v1/me", second).json()["role"] == "owner"
    assert _make(world, owner, staff, "owner").status_code == 200
    assert world.call("GET", "/v1/me", second).status_code == 200, "nothing was changed"

    assert _make(world, second, owner, "staff").status_code == 200
    _is_out(world, owner)
    assert _members(world, second) == {owner.email: "staff", second.email: "owner"}


@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_an_owner_who_is_out_neither_comes_back_nor_looks_in_by_the_token_that_they_still_have(
    world: World, how: str
) -> None:
    _, owner = world.business()
    other = world.colleague(owner, role="owner")
    staff = world.colleague(owner)
    invitation = {"email": new_email(), "name": "Me", "role": "owner"}
    waiting = world.post("/v1/invitations", invitation | {"email": new_email()}, owner).json()["id"]
    answer = _remove(world, owner, other) if how == "removed" else _make(world, owner, other, "staff")
    assert answer.status_code in {200, 204}
    assert problem(world.post("/v1/invitations", invitation, other)) == ENDED
    assert problem(world.call("DELETE", f"/v1/invitations/{waiting}", other)) == ENDED
    for listed in ("/v1/invitations", "/v1/members"):
        assert problem(world.call("GET", listed, other)) == ENDED
    assert problem(_make(world, other, staff, "owner")) == ENDED
    assert problem(_remove(world, other, owner)) == ENDED
    assert _members(world, owner)[staff.email] == "staff"
    invitations = world.call("GET", "/v1/invitations", owner).json()["items"]
    assert {item["status"] for item in invitations if item["id"] == waiting} == {"pending"}


def test_the_last_owner_stays(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    for answer in (_remove(world, owner, owner), _make(world, owner, owner, "staff")):
        assert problem(answer) == (409, "conflict")
    assert _make(world, owner, staff, "owner").status_code == 200
    assert _remove(world, owner, owner).status_code == 204
    _is_out(world, owner)
    assert _members(world, world.sign_in(staff.email)) == {staff.email: "owner"}


_WAITING = """SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND position('FROM membership' IN query) > 0"""


@pytest.mark.parametrize("whom", ["each other", "themselves"])
@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_of_two_owners_who_go_at_once_one_stays(world: World, how: str, whom: str) -> None:
    tenant, first = world.business()
    second = world.colleague(first, role="owner")
    pairs = [(first, second), (second, first)] if whom == "each other" else [(first, first), (second, second)]

    def end(pair: tuple[Person, Person]) -> Any:
        return _remove(world, *pair) if how == "removed" else _make(world, *pair, "staff")

    with ThreadPoolExecutor(2) as pool:
        with psycopg.connect(world.database.admin_url) as conn:
            conn.execute("SELECT FROM membership WHERE tenant_id = %s FOR UPDATE", (tenant.tenant_id,))
            answers = [pool.submit(end, pair) for pair in pairs]
            until(lambda: len(world.rows(_WAITING)) == 2, "both wait")
        refused = [answer for answer in (future.result() for future in answers) if answer.status_code >= 400]
    assert [problem(answer) for answer in refused] == [ENDED if whom == "each other" else (409, "conflict")]
    owners = "SELECT 1 FROM membership WHERE tenant_id = %s AND role = 'owner'"
    assert len(world.rows(owners, tenant.tenant_id)) == 1


def test_a_sign_in_under_way_as_a_role_changes_tells_the_new_one(world: World) -> None:
    tenant, owner = world.business()
    other = world.colleague(owner, role="owner")
    body = {"email": other.email, "password": PASSWORD}
    waiting = _WAITING.replace("FROM membership", "FROM users")
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(world.database.admin_url) as conn:
            conn.execute("SELECT FROM users WHERE email = %s FOR NO KEY UPDATE", (other.email,))
            signing_in = pool.submit(world.post, "/v1/sessions", body)
            until(lambda: world.rows(waiting), "the sign-in waits")
            conn.execute(
                "UPDATE membership SET role = 'staff' WHERE tenant_id = %s AND user_id = %s",
                (tenant.tenant_id, _id(world, other)),
            )
        answer = signing_in.result()
    assert answer.status_code == 201, answer.text
    assert world.call("GET", "/v1/members", Person(other.email, answer.json())).status_code == 403


def test_members_of_another_business_are_out_of_reach(world: World) -> None:
    _, owner = world.business()
    _, stranger = world.business()
    staff = world.colleague(stranger)
    for whom in (stranger, staff):
        assert problem(_remove(world, owner, whom)) == (404, "not-found")
        assert problem(_make(world, owner, whom, "owner")) == (404, "not-found")
    assert _members(world, stranger) == {stranger.email: "owner", staff.email: "staff"}


def test_staff_neither_see_nor_change_members(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    assert problem(world.call("GET", "/v1/members", staff)) == (403, "forbidden")
    assert problem(_remove(world, staff, owner)) == (403, "forbidden")
    assert problem(_make(world, staff, staff, "owner")) == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/role"),
        ({"role": "admin"}, "/role"),
        ({"role": None}, "/role"),
        ({"role": "staff", "x": 1}, "/x"),
    ],
)
def test_bad_input_is_named(world: World, body: dict[str, Any], pointer: str) -> None:
    _, owner = world.business()
    answer = world.call("PATCH", f"/v1/members/{new_id()}", owner, json=body)
    assert problem(answer) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_who_works_nowhere_any_more_is_erased(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    assert _remove(world, owner, staff).status_code == 204
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        await AuthHousekeeping(db, AuthSettings.model_validate({"encryption_key": ENCRYPTION_KEY})).turn()
    finally:
        await db.close()
    assert world.rows("SELECT 1 FROM users WHERE email = %s", staff.email) == []
    assert len(world.rows("SELECT 1 FROM users WHERE email = %s", owner.email)) == 1
