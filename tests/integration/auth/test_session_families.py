"""What a stolen, repeated or late token leads to, and that what comes of a session ends with it."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import psycopg
import pytest
from starlette.requests import Request

from auth.opaque import OpaqueToken, TokenKind
from integration.auth.world import ENDED, PASSWORD, Person, World, problem
from servicekit.ids import new_id
from support.events import until
from web.cookies import CookieBox
from web.gateway_client import Gateway
from web.sessions import COOKIE, Sessions, session_from


def _later(world: World, person: Person) -> None:
    """Lets what may still be repeated be past that."""
    world.rows(
        "UPDATE session SET refreshed_at = refreshed_at - interval '31 seconds' WHERE session_id = %s"
        " RETURNING 1 AS x",
        person.session["session_id"],
    )


def _ended_because(world: World, person: Person) -> str | None:
    (row,) = world.rows(
        "SELECT ended_because FROM session WHERE session_id = %s", person.session["session_id"]
    )
    because: str | None = row["ended_because"]
    return because


def test_a_refresh_token_that_comes_back_ends_the_whole_family(world: World) -> None:
    _, owner = world.business()
    stolen = owner.session["refresh_token"]
    fresh = world.refresh(stolen).json()
    _later(world, owner)
    assert problem(world.refresh(stolen)) == ENDED
    assert problem(world.refresh(fresh["refresh_token"])) == ENDED
    assert problem(world.call("GET", "/v1/me", Person(owner.email, fresh))) == ENDED
    assert _ended_because(world, owner) == "token-reused"
    assert world.sign_in(owner.email), "other sessions are untouched"


def test_a_refresh_token_that_comes_back_behind_its_successor_ends_the_family_at_once(world: World) -> None:
    _, owner = world.business()
    stolen = owner.session["refresh_token"]
    fresh = world.refresh(world.refresh(stolen).json()["refresh_token"])
    assert fresh.status_code == 200, fresh.text
    assert problem(world.refresh(stolen)) == ENDED
    assert problem(world.refresh(fresh.json()["refresh_token"])) == ENDED
    assert _ended_because(world, owner) == "token-reused"


def test_requests_that_refresh_at_once_all_go_on(world: World) -> None:
    """As those of one browser do that come to several replicas of web; it keeps the answer that comes last."""
    _, owner = world.business()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(world.refresh, [owner.session["refresh_token"]] * 4))
    assert [answer.status_code for answer in answers] == [200] * 4
    tokens = [answer.json()["refresh_token"] for answer in answers]
    assert len(set(tokens)) == 4
    assert {answer.json()["session_id"] for answer in answers} == {owner.session["session_id"]}
    _later(world, owner)
    assert world.refresh(tokens[2]).status_code == 200
    assert _ended_because(world, owner) is None


async def test_two_replicas_of_web_refresh_one_browsers_session(world: World) -> None:
    """Each has a lock and a memory of its own, so that both exchange the cookie's token."""
    _, owner = world.business()
    box = CookieBox("the cookie key of this test, long enough")
    stale = replace(session_from(owner.session), expires_at=0)
    cookie = f"{COOKIE}={box.seal('session', asdict(stale))}".encode()
    gateways = [Gateway(world.url) for _ in range(2)]
    for gateway in gateways:
        await gateway.open()
    try:
        replicas = [Sessions(gateway, box, secure=False) for gateway in gateways]
        requests = [Request({"type": "http", "headers": [(b"cookie", cookie)]}) for _ in replicas]
        answers = await asyncio.gather(
            *(site.call(request, "GET", "/v1/me") for site, request in zip(replicas, requests, strict=True))
        )
    finally:
        for gateway in gateways:
            await gateway.close()
    assert {answer.data["email"] for answer in answers} == {owner.email}
    _later(world, owner)
    kept = requests[1].state.session  # whichever answer comes last
    assert world.refresh(kept.refresh_token).status_code == 200


def test_a_refresh_whose_answer_was_lost_may_be_repeated(world: World) -> None:
    _, owner = world.business()
    lost = world.refresh(owner.session["refresh_token"])
    assert lost.status_code == 200
    again = world.refresh(owner.session["refresh_token"]).json()
    _later(world, owner)
    assert world.refresh(again["refresh_token"]).status_code == 200


def test_a_thief_who_repeats_a_refresh_is_told_apart_by_the_next_one(world: World) -> None:
    _, owner = world.business()
    mine, theirs = (world.refresh(owner.session["refresh_token"]).json() for _ in range(2))
    _later(world, owner)
    assert world.refresh(mine["refresh_token"]).status_code == 200
    _later(world, owner)
    assert problem(world.refresh(theirs["refresh_token"])) == ENDED
    assert _ended_because(world, owner) == "token-reused"


def _at_two(world: World) -> tuple[Person, Person]:
    """Somebody signed in at one business, and the session that it opened at another."""
    first, owner = world.business()
    second, other_owner = world.business()
    world.colleague(other_owner, email=owner.email)
    there = world.sign_in(owner.email, business=first.slug)
    opened = world.post("/v1/sessions", {"business": second.slug}, there)
    assert opened.status_code == 201, opened.text
    return there, Person(owner.email, opened.json())


def test_a_token_opens_no_second_session_where_it_is_already(world: World) -> None:
    """It would be one that outlives the token and that nothing ends."""
    tenant, owner = world.business()
    refused = world.post("/v1/sessions", {"business": tenant.slug}, owner)
    assert problem(refused) == (409, "conflict")
    assert refused.json()["errors"][0]["pointer"] == "/business"
    assert len(world.rows("SELECT 1 FROM session WHERE tenant_id = %s", tenant.tenant_id)) == 1


def test_a_session_opened_by_a_token_lives_no_longer_than_the_first(world: World) -> None:
    first, owner = world.business()
    second, other_owner = world.business()
    world.colleague(other_owner, email=owner.email)
    there = world.sign_in(owner.email, business=first.slug)
    world.rows(
        "UPDATE session SET expires_at = now() + interval '1 minute' WHERE session_id = %s RETURNING 1 AS x",
        there.session["session_id"],
    )
    opened = world.post("/v1/sessions", {"business": second.slug}, there).json()
    ends = world.rows(
        "SELECT expires_at FROM session WHERE session_id = ANY(%s::uuid[])"
        " UNION ALL SELECT expires_at FROM refresh_token WHERE session_id = %s",
        [there.session["session_id"], opened["session_id"]],
        opened["session_id"],
    )
    assert len(ends) == 3
    assert len({row["expires_at"] for row in ends}) == 1


@pytest.mark.parametrize("signed_out", [0, 1])
def test_signing_out_ends_what_a_session_opened_elsewhere_and_what_opened_it(
    world: World, signed_out: int
) -> None:
    family = _at_two(world)
    apart = world.sign_in(family[0].email)
    session_id = family[signed_out].session["session_id"]
    assert world.call("DELETE", f"/v1/sessions/{session_id}", family[signed_out]).status_code == 204
    for person in family:
        assert problem(world.refresh(person.session["refresh_token"])) == ENDED
        assert problem(world.call("GET", "/v1/me", person)) == ENDED
    assert world.call("GET", "/v1/me", apart).status_code == 200


@pytest.mark.parametrize("stolen", [0, 1])
def test_a_refresh_token_that_comes_back_ends_what_came_of_its_session_at_other_businesses(
    world: World, stolen: int
) -> None:
    family = _at_two(world)
    token = family[stolen].session["refresh_token"]
    fresh = world.refresh(token).json()["refresh_token"]
    assert world.refresh(fresh).status_code == 200
    assert problem(world.refresh(token)) == ENDED
    for person in family:
        assert problem(world.call("GET", "/v1/me", person)) == ENDED
    assert problem(world.refresh(family[1 - stolen].session["refresh_token"])) == ENDED


@contextmanager
def _ending(world: World, person: Person) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that has the user's row, as one that ends sessions has it, and commits behind the block."""
    with psycopg.connect(world.database.admin_url) as conn:
        found = conn.execute("SELECT FROM users WHERE email = %s FOR NO KEY UPDATE", (person.email,))
        assert found.rowcount == 1
        yield conn


def _until_one_waits_for_the_user(world: World) -> None:
    waiting = """SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock' AND position('FROM users' IN query) > 0"""
    until(lambda: world.rows(waiting), "a session waits for its user")


def test_a_session_opened_as_its_family_ends_is_refused(world: World) -> None:
    first, owner = world.business()
    second, other_owner = world.business()
    world.colleague(other_owner, email=owner.email)
    there = world.sign_in(owner.email, business=first.slug)
    with ThreadPoolExecutor(1) as pool:
        with _ending(world, owner) as conn:
            opening = pool.submit(world.post, "/v1/sessions", {"business": second.slug}, there)
            _until_one_waits_for_the_user(world)
            conn.execute(
                "UPDATE session SET ended_at = now(), ended_because = 'signed-out' WHERE session_id = %s",
                (there.session["session_id"],),
            )
        assert problem(opening.result()) == ENDED


def test_a_sign_in_under_way_as_the_password_is_set_is_refused(world: World) -> None:
    """The old password was right as it was checked; what it opens now would outlive the new one."""
    _, owner = world.business()
    body = {"email": owner.email, "password": PASSWORD}
    with ThreadPoolExecutor(1) as pool:
        with _ending(world, owner) as conn:
            signing_in = pool.submit(world.post, "/v1/sessions", body)
            _until_one_waits_for_the_user(world)
            conn.execute("UPDATE users SET password_set_at = now() WHERE email = %s", (owner.email,))
        assert problem(signing_in.result()) == (401, "invalid-credentials")
    assert world.sign_in(owner.email), "whose password was set to the same"


def test_a_session_of_the_release_before_goes_on(world: World) -> None:
    """It knows of no families: what it adds is one of its own, and it reads what there is."""
    tenant, owner = world.business()
    token, session_id = OpaqueToken.new(TokenKind.REFRESH, tenant.tenant_id), new_id()
    world.rows(
        "INSERT INTO session (tenant_id, session_id, user_id, created_at, expires_at)"
        " SELECT tenant_id, %s, user_id, now(), now() + interval '1 day' FROM membership WHERE tenant_id = %s"
        " RETURNING 1 AS x",
        session_id,
        tenant.tenant_id,
    )
    world.rows(
        "INSERT INTO refresh_token (tenant_id, token_hash, session_id, expires_at)"
        " VALUES (%s, %s, %s, now() + interval '1 day') RETURNING 1 AS x",
        tenant.tenant_id,
        token.digest(),
        session_id,
    )
    fresh = world.refresh(token.text())
    assert fresh.status_code == 200, fresh.text
    assert world.refresh(token.text()).status_code == 200, "a repetition"
    person = Person(owner.email, fresh.json())
    assert world.call("DELETE", f"/v1/sessions/{session_id}", person).status_code == 204
    assert problem(world.refresh(fresh.json()["refresh_token"])) == ENDED
    assert world.call("GET", "/v1/me", owner).status_code == 200, "which is of another family"
