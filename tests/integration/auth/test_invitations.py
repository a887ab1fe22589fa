"""An owner asks people in; what they get, who may, and what a link is good for."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.platform import TenantState
from integration.auth.world import PASSWORD, World, new_email
from servicekit.ids import new_id
from support.events import until


def _invite(email: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"email": email or new_email(), "name": "Bo"} | fields


def test_staff_are_invited_by_mail_and_get_in(world: World) -> None:
    tenant, owner = world.business()
    body = _invite()
    invited = world.post("/v1/invitations", body, owner)
    assert invited.status_code == 201, invited.text
    assert (invited.json()["role"], invited.json()["status"]) == ("staff", "pending")
    (token,) = world.links(body["email"])
    (mail,) = world.mails(body["email"])
    assert tenant.display_name in mail["Subject"]
    assert mail["From"]["Address"] == "no-reply@slotwright.example"

    def sent() -> dict[str, Any] | None:
        items = world.call("GET", "/v1/invitations", owner).json()["items"]
        return next((item for item in items if item["email"] == body["email"] and item["sent_at"]), None)

    listed = until(sent, "the invitation is known to be sent")
    assert listed["expires_at"] > listed["sent_at"]

    accepted = world.set_password(token)
    assert (accepted.status_code, accepted.json()) == (200, {"email": body["email"]})
    staff = world.sign_in(body["email"])
    assert [(item["slug"], item["role"]) for item in staff.session["businesses"]] == [(tenant.slug, "staff")]
    again = world.set_password(token)
    assert (again.status_code, again.json()["type"]) == (422, "/problems/link-invalid")
    assert again.json()["errors"][0]["pointer"] == "/token"


def test_of_eight_who_follow_one_link_at_once_one_gets_in(world: World) -> None:
    _, owner = world.business()
    body = _invite()
    world.post("/v1/invitations", body, owner)
    (token,) = world.links(body["email"])
    passwords = [f"bicycle number {n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda password: world.set_password(token, password), passwords))
    assert sorted(answer.status_code for answer in answers) == [200, *[422] * 7]
    (won,) = [n for n, answer in enumerate(answers) if answer.status_code == 200]
    assert world.sign_in(body["email"], password=passwords[won])
    assert len(world.rows("SELECT 1 FROM users WHERE email = %s", body["email"])) == 1


def test_only_an_owner_invites_lists_and_withdraws(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    for person, status in ((staff, 403), (None, 401)):
        assert world.post("/v1/invitations", _invite(), person).status_code == status
        assert world.call("GET", "/v1/invitations", person).status_code == status
        assert world.call("DELETE", f"/v1/invitations/{new_id()}", person).status_code == status
    second = world.colleague(owner, role="owner")
    assert world.post("/v1/invitations", _invite(), second).status_code == 201


def test_a_replay_invites_once(world: World) -> None:
    _, owner = world.business()
    body = _invite()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: world.post("/v1/invitations", body, owner, key="one"), range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.text for answer in answers}) == 1
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 3
    first = answers[0]
    other = world.post("/v1/invitations", _invite(), owner, key="one")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    _, stranger = world.business()
    theirs = world.post("/v1/invitations", body, stranger, key="one")
    assert (theirs.status_code, theirs.json()["id"] != first.json()["id"]) == (201, True)
    until(lambda: len(world.mails(body["email"])) == 2, "one mail from each business")


def test_inviting_again_replaces_and_withdrawing_voids_the_link(world: World) -> None:
    _, owner = world.business()
    body = _invite()
    first = world.post("/v1/invitations", body, owner).json()
    (old,) = world.links(body["email"])
    second = world.post("/v1/invitations", body, owner).json()
    new = world.links(body["email"], count=2)[-1]
    assert world.set_password(old).status_code == 422
    listed = world.call("GET", "/v1/invitations", owner).json()["items"]
    status = {item["id"]: item["status"] for item in listed}
    assert (status[first["id"]], status[second["id"]]) == ("withdrawn", "pending")

    path = f"/v1/invitations/{second['id']}"
    assert world.call("DELETE", path, owner).status_code == 204
    assert world.call("DELETE", path, owner).status_code == 204
    assert world.set_password(new).status_code == 422
    assert world.rows("SELECT 1 FROM users WHERE email = %s", body["email"]) == []


def test_who_works_there_is_not_invited_again(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    refused = world.post("/v1/invitations", _invite(staff.email.upper()), owner)
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["pointer"] == "/email"
    accepted = world.call("GET", "/v1/invitations", owner).json()["items"][-1]
    assert world.call("DELETE", f"/v1/invitations/{accepted['id']}", owner).status_code == 409


def test_a_business_invites_so_many_only(world: World) -> None:
    _, owner = world.business()
    statuses = [world.post("/v1/invitations", _invite(), owner).status_code for _ in range(6)]
    assert statuses == [201] * 5 + [429]


def test_a_suspended_business_invites_nobody_and_may_look_and_withdraw(world: World) -> None:
    tenant, owner = world.business()
    waiting = world.post("/v1/invitations", _invite(), owner).json()["id"]
    world.status(world.change(tenant, state=TenantState.SUSPENDED), "OwnerAccepted")
    refused = world.post("/v1/invitations", _invite(), owner)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/tenant-suspended")
    for listed in ("/v1/invitations", "/v1/members"):
        assert world.call("GET", listed, owner).status_code == 200
    assert world.call("DELETE", f"/v1/invitations/{waiting}", owner).status_code == 204


def test_invitations_come_in_pages(world: World) -> None:
    _, owner = world.business()
    for _ in range(4):
        world.post("/v1/invitations", _invite(), owner)
    seen: list[str] = []
    path: str | None = "/v1/invitations?limit=2"
    while path:
        page = world.call("GET", path, owner)
        seen += [item["id"] for item in page.json()["items"]]
        path = page.links.get("next", {}).get("url")
    assert len(seen) == len(set(seen)) == 5, "the owner's own included"
    assert world.call("GET", "/v1/invitations?cursor=x", owner).status_code == 422
    assert world.call("GET", "/v1/invitations?limit=0", owner).status_code == 422


def test_businesses_do_not_see_each_others_invitations(world: World) -> None:
    _, ours = world.business()
    _, theirs = world.business()
    invitation = world.post("/v1/invitations", _invite(), theirs).json()
    assert world.call("DELETE", f"/v1/invitations/{invitation['id']}", ours).status_code == 404
    listed = world.call("GET", "/v1/invitations", ours).json()["items"]
    assert [item["email"] for item in listed] == [ours.email]
    assert world.call("GET", "/v1/invitations", theirs).json()["items"][-1]["status"] == "pending"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": "bo"}, "/email"),
        ({"name": " "}, "/name"),
        ({"role": "admin"}, "/role"),
        ({"role": None}, "/role"),
        ({"tenant_id": "x"}, "/tenant_id"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(world: World, change: dict[str, Any], pointer: str) -> None:
    tenant, owner = world.business()
    answer = world.post("/v1/invitations", _invite() | change, owner)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert len(world.rows("SELECT 1 FROM invitation WHERE tenant_id = %s", tenant.tenant_id)) == 1


@pytest.mark.parametrize(
    ("password", "why"),
    [("short", "at least 10"), ("password123", "easy"), ("x" * 300, "at most 256"), ("aaaaaaaaaaaa", "easy")],
)
def test_a_weak_password_is_refused_and_the_link_stays_good(world: World, password: str, why: str) -> None:
    _, owner = world.business()
    body = _invite()
    world.post("/v1/invitations", body, owner)
    (token,) = world.links(body["email"])
    refused = world.set_password(token, password)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/password")
    assert why in refused.json()["errors"][0]["detail"]
    assert world.set_password(token, body["email"]).status_code == 422, "one's own address"
    assert world.set_password(token).status_code == 200


def test_a_link_ends_after_seven_days_and_the_forgotten_password_page_brings_another(world: World) -> None:
    tenant, owner = world.business()
    body = _invite()
    world.post("/v1/invitations", body, owner)
    (token,) = world.links(body["email"])
    (row,) = world.rows(
        "UPDATE invitation_link SET expires_at = now() WHERE tenant_id = %s"
        " RETURNING expires_at - now() < interval '7 days' AS soon",
        tenant.tenant_id,
    )
    assert row["soon"]
    assert world.set_password(token).status_code == 422
    world.post("/v1/passwords/reset-requests", {"email": body["email"]})
    fresh = world.links(body["email"], count=2)[-1]
    assert world.set_password(fresh).status_code == 200
    assert world.sign_in(body["email"]).session["businesses"][0]["role"] == "staff"


def test_accepting_elsewhere_sets_the_one_password_and_ends_the_old_sessions(world: World) -> None:
    _, owner = world.business()
    _, other = world.business()
    before = len(world.mails(owner.email))
    world.post("/v1/invitations", _invite(owner.email), other)
    token = world.links(owner.email, count=before + 1)[-1]
    assert world.set_password(token, "a yellow tandem").status_code == 200
    assert world.post("/v1/sessions", {"email": owner.email, "password": PASSWORD}).status_code == 401
    assert world.refresh(owner.session["refresh_token"]).status_code == 401
    both = world.sign_in(owner.email, password="a yellow tandem").session["businesses"]
    assert sorted(item["role"] for item in both) == ["owner", "staff"]
