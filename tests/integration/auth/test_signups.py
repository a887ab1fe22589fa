"""From a sign-up to an owner who is signed in, and every way in which a sign-up comes to nothing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.auth import SignupRequested
from contracts.model import RESERVED_SLUGS
from contracts.platform import Owner
from integration.auth.world import World, new_email, tenant_of, wish
from servicekit.ids import new_id
from support.events import until
from support.tenants import new_tenant


def _events(world: World, signup_id: str) -> list[dict[str, Any] | None]:
    return world.records(SignupRequested.TOPIC, signup_id)


def test_a_sign_up_becomes_a_business_whose_owner_is_invited_and_signs_in(world: World) -> None:
    wanted = wish()
    asked = world.post("/v1/signups", wanted)
    assert asked.status_code == 202, asked.text
    location = asked.headers["Location"]
    assert location == f"/v1/signups/{asked.json()['id']}"
    assert world.call("GET", location).json()["status"] == "requested"
    (event,) = until(lambda: _events(world, asked.json()["id"]), "the operator is told")
    assert event is not None
    assert (event["slug"], event["owner_email"], event["plan"]) == (wanted["slug"], wanted["email"], "pro")

    tenant = tenant_of(wanted)
    world.announce(tenant)
    until(lambda: world.call("GET", location).json()["status"] == "provisioned", "it came true")
    assert world.call("GET", location).json()["business_id"] == str(tenant.tenant_id)
    until(lambda: _events(world, asked.json()["id"])[-1:] == [None], "the person's data is buried")
    assert world.status(tenant, "OwnerInvited")["details"]["owner_accepted"] is False

    world.accept(wanted["email"])
    status = world.status(tenant, "OwnerAccepted")
    assert status["state"] == "ready"
    assert (status["details"]["owner_invited"], status["details"]["owner_accepted"]) == (True, True)
    owner = world.sign_in(wanted["email"])
    assert owner.session["businesses"] == [
        {
            "id": str(tenant.tenant_id),
            "slug": tenant.slug,
            "display_name": tenant.display_name,
            "role": "owner",
            "suspended": False,
        }
    ]


def test_a_replay_asks_once_and_answers_the_same(world: World) -> None:
    wanted = wish()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: world.post("/v1/signups", wanted, key=wanted["slug"]), range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 5
    assert len(world.rows("SELECT 1 FROM signup WHERE slug = %s", wanted["slug"])) == 1
    other = world.post("/v1/signups", wish(), key=wanted["slug"])
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


def test_a_name_is_given_once(world: World) -> None:
    first = wish()
    with ThreadPoolExecutor(4) as pool:
        rush = list(pool.map(lambda _: world.post("/v1/signups", wish(slug=first["slug"])), range(4)))
    assert sorted(answer.status_code for answer in rush) == [202, 409, 409, 409]
    refused = next(answer for answer in rush if answer.status_code == 409).json()
    assert refused["errors"] == [{"pointer": "/slug", "detail": "is taken"}]

    tenant = new_tenant()
    world.announce(tenant)
    world.status(tenant, "OwnerInvited")
    assert world.post("/v1/signups", wish(slug=tenant.slug)).status_code == 409


@pytest.mark.parametrize("slug", sorted(RESERVED_SLUGS))
def test_a_name_that_is_the_platforms_own_is_taken(world: World, slug: str) -> None:
    refused = world.post("/v1/signups", wish(slug=slug))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "/slug")
    assert world.rows("SELECT 1 FROM signup WHERE slug = %s", slug) == []


def test_a_sign_up_whose_name_goes_to_another_fails(world: World) -> None:
    wanted = wish()
    location = world.post("/v1/signups", wanted).headers["Location"]
    tenant = new_tenant(slug=wanted["slug"], owner=Owner(email=new_email(), name="Eve"))
    world.announce(tenant)
    until(lambda: world.call("GET", location).json()["status"] == "failed", "it is told")
    assert world.call("GET", location).json()["business_id"] is None
    until(lambda: _events(world, location.rsplit("/", 1)[-1])[-1:] == [None], "the data is buried")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"email": "no address"}, "/email"),
        ({"email": "a@b.example\nBcc: c@d.example"}, "/email"),
        ({"name": ""}, "/name"),
        ({"business_name": "x" * 121}, "/business_name"),
        ({"slug": "No Slug"}, "/slug"),
        ({"slug": "x" * 64}, "/slug"),
        ({"slug": 7}, "/slug"),
        ({"plan": "../pro"}, "/plan"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"timezone": "Japan"}, "/timezone"),
        ({"locale": "english"}, "/locale"),
        ({"currency": "euro"}, "/currency"),
        ({"currency": None}, "/currency"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(world: World, change: dict[str, Any], pointer: str) -> None:
    wanted = wish() | change
    answer = world.post("/v1/signups", wanted)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert world.rows("SELECT 1 FROM signup WHERE slug = %s", str(wanted["slug"])) == []


def test_unknown_sign_ups_and_large_bodies(world: World) -> None:
    assert world.call("GET", f"/v1/signups/{new_id()}").status_code == 404
    assert world.call("GET", "/v1/signups/one").status_code == 422
    assert world.post("/v1/signups", wish(name="x" * 2_000_000)).status_code == 413
    json = {"Content-Type": "application/json"}
    assert world.call("POST", "/v1/signups", content=b"{", headers=json).status_code == 400


def test_one_address_asks_for_so_many_only(world: World) -> None:
    statuses = [world.post("/v1/signups", wish(), address="192.0.2.9").status_code for _ in range(31)]
    assert statuses == [202] * 30 + [429]
