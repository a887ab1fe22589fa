"""Signing in, refreshing, switching, signing out, and what a stolen token or a guessed password leads to."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import jwt
import psycopg
import pytest
from starlette.requests import Request

from auth.opaque import OpaqueToken, TokenKind
from contracts.platform import DeletionPolicy, TenantState
from integration.auth.world import PASSWORD, PUBLIC_URL, Person, World, new_email
from servicekit.http.tokens import TokenVerifier
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support.events import until
from web.cookies import CookieBox
from web.gateway_client import Gateway
from web.sessions import COOKIE, Sessions, session_from


class _Published:
    """Keys as another service gets them: from the JWKS document."""

    def __init__(self, world: World) -> None:
        document = world.call("GET", "/.well-known/jwks.json")
        assert document.headers["cache-control"] == "public, max-age=300"
        self._keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(document.json()).keys}

    def key(self, kid: str) -> Any | None:
        return self._keys.get(kid)

    def gone(self, kid: str) -> bool:
        return True


def _problem(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]


ENDED = (401, "session-ended")


def test_a_token_says_who_where_and_what_and_others_can_verify_it(world: World) -> None:
    tenant, owner = world.business()
    verifier = TokenVerifier(_Published(world), issuer=PUBLIC_URL, audience="slotwright")
    principal = verifier.verify(owner.session["access_token"])
    assert (principal.tenant_id, principal.role) == (tenant.tenant_id, "owner")
    assert principal.session_id == UUID(owner.session["session_id"])
    claims = verifier.claims(owner.session["access_token"])
    assert claims["exp"] - claims["iat"] == owner.session["expires_in"] == 600
    me = world.call("GET", "/v1/me", owner).json()
    assert (me["id"], me["email"], me["role"]) == (str(principal.user_id), owner.email, "owner")
    assert me["business"]["slug"] == tenant.slug
    configuration = world.call("GET", "/.well-known/openid-configuration").json()
    assert configuration["issuer"] == PUBLIC_URL
    assert configuration["jwks_uri"] == f"{PUBLIC_URL}/.well-known/jwks.json"


def test_an_answer_with_tokens_is_not_to_be_cached(world: World) -> None:
    _, owner = world.business()
    answer = world.refresh(owner.session["refresh_token"])
    assert answer.headers["cache-control"] == "no-store"


def test_the_address_may_be_written_in_any_case(world: World) -> None:
    _, owner = world.business()
    assert world.sign_in(owner.email.upper()).session["session_id"]


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(world: World) -> None:
    _, owner = world.business()
    wrong = world.post("/v1/sessions", {"email": owner.email, "password": "another bicycle"})
    unknown = world.post("/v1/sessions", {"email": new_email(), "password": PASSWORD})
    assert _problem(wrong) == _problem(unknown) == (401, "invalid-credentials")
    assert wrong.json()["detail"] == unknown.json()["detail"]


def test_repeated_failures_lock_the_account_for_a_while_whoever_makes_them(world: World) -> None:
    _, owner = world.business()
    guess = {"email": owner.email, "password": "another bicycle"}
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: world.post("/v1/sessions", guess).status_code, range(16)))
    assert statuses == {401: 10, 429: 6}
    refused = world.post("/v1/sessions", {"email": owner.email, "password": PASSWORD})
    assert _problem(refused) == (429, "too-many-attempts")
    assert 0 < int(refused.headers["retry-after"]) <= 900
    world.rows("UPDATE attempt SET window_ends_at = now() RETURNING bucket")
    assert world.sign_in(owner.email)


def test_an_account_is_one_bucket_however_it_is_written_and_no_others(world: World) -> None:
    name = f"p{new_id().hex[-12:]}"
    _, owner = world.business(email=f"{name}@strasse.example")
    guess = {"email": f"{name}@stra\u00dfe.example", "password": "another bicycle"}
    assert [world.post("/v1/sessions", guess).status_code for _ in range(11)] == [401] * 10 + [429]
    assert world.sign_in(owner.email), "which is another account"
    for number in range(11):
        guess["email"] = f"{name if number % 2 else name.upper()}@strasse.example"
        answer = world.post("/v1/sessions", guess)
    assert _problem(answer) == (429, "too-many-attempts")
    assert name not in str(world.rows("SELECT bucket FROM attempt"))


def test_a_good_sign_in_starts_the_account_afresh(world: World) -> None:
    _, owner = world.business()
    for _ in range(2):
        for _ in range(9):
            assert world.post("/v1/sessions", {"email": owner.email, "password": "no"}).status_code == 401
        world.sign_in(owner.email)


def test_repeated_failures_from_one_address_are_refused_whatever_the_account(world: World) -> None:
    _, owner = world.business()

    def guess(_: int) -> int:
        body = {"email": new_email(), "password": PASSWORD}
        return world.post("/v1/sessions", body, address="192.0.2.77").status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(guess, range(104))) == {401: 100, 429: 4}
    body = {"email": owner.email, "password": PASSWORD}
    assert world.post("/v1/sessions", body, address="192.0.2.77").status_code == 429
    forged = world.post("/v1/sessions", body, address="198.51.100.1, 192.0.2.77")
    assert forged.status_code == 429, "only what our own proxy appended counts"
    assert world.post("/v1/sessions", body, address="192.0.2.78").status_code == 201


def test_refreshing_gives_new_tokens_of_the_same_session(world: World) -> None:
    _, owner = world.business()
    first = owner.session
    second = world.refresh(first["refresh_token"]).json()
    assert second["session_id"] == first["session_id"]
    assert second["refresh_token"] != first["refresh_token"]
    assert second["businesses"] == first["businesses"]
    third = world.refresh(second["refresh_token"])
    assert third.status_code == 200, third.text


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
    assert _problem(world.refresh(stolen)) == ENDED
    assert _problem(world.refresh(fresh["refresh_token"])) == ENDED
    assert _problem(world.call("GET", "/v1/me", Person(owner.email, fresh))) == ENDED
    assert _ended_because(world, owner) == "token-reused"
    assert world.sign_in(owner.email), "other sessions are untouched"


def test_a_refresh_token_that_comes_back_behind_its_successor_ends_the_family_at_once(world: World) -> None:
    _, owner = world.business()
    stolen = owner.session["refresh_token"]
    fresh = world.refresh(world.refresh(stolen).json()["refresh_token"])
    assert fresh.status_code == 200, fresh.text
    assert _problem(world.refresh(stolen)) == ENDED
    assert _problem(world.refresh(fresh.json()["refresh_token"])) == ENDED
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
    assert _problem(world.refresh(theirs["refresh_token"])) == ENDED
    assert _ended_because(world, owner) == "token-reused"


@pytest.mark.parametrize("token", ["x", "swr_" + "A" * 64, "swi_" + "A" * 64, "swr_" + "é" * 64])
def test_a_made_up_refresh_token_is_refused(world: World, token: str) -> None:
    assert _problem(world.refresh(token)) == ENDED


def test_a_refresh_token_moved_to_another_business_is_unknown_there(world: World) -> None:
    _, owner = world.business()
    other, _ = world.business()
    mine = OpaqueToken.parse(owner.session["refresh_token"])
    assert mine is not None
    moved = OpaqueToken(mine.kind, other.tenant_id, mine.random)
    assert _problem(world.refresh(moved.text())) == ENDED
    assert world.refresh(owner.session["refresh_token"]).status_code == 200


def test_signing_out_ends_the_session_and_may_be_repeated(world: World) -> None:
    _, owner = world.business()
    other = world.sign_in(owner.email)
    path = f"/v1/sessions/{owner.session['session_id']}"
    assert world.call("DELETE", path, owner).status_code == 204
    assert world.call("DELETE", path, owner).status_code == 204
    assert _problem(world.refresh(owner.session["refresh_token"])) == ENDED
    assert _problem(world.call("GET", "/v1/me", owner)) == ENDED
    assert world.call("GET", "/v1/me", other).status_code == 200


def test_nobody_ends_anothers_session(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    _, stranger = world.business()
    for person in (staff, stranger):
        path = f"/v1/sessions/{owner.session['session_id']}"
        assert _problem(world.call("DELETE", path, person)) == (404, "not-found")
    assert world.call("DELETE", f"/v1/sessions/{new_id()}", owner).status_code == 404
    assert world.call("DELETE", "/v1/sessions/one", owner).status_code == 422
    assert world.call("GET", "/v1/me", owner).status_code == 200


def test_who_works_at_two_businesses_names_one_or_switches(world: World) -> None:
    first, owner = world.business()
    second, other_owner = world.business()
    world.colleague(other_owner, email=owner.email)

    there = world.sign_in(owner.email, business=second.slug)
    roles = [(item["slug"], item["role"]) for item in there.session["businesses"]]
    assert roles == [(second.slug, "staff"), (first.slug, "owner")]
    assert world.sign_in(owner.email).session["businesses"][0]["slug"] == second.slug, "the last one"

    back = world.post("/v1/sessions", {"business": first.slug}, there)
    assert back.status_code == 201, back.text
    assert back.json()["session_id"] != there.session["session_id"]
    me = world.call("GET", "/v1/me", Person(owner.email, back.json())).json()
    assert (me["business"]["slug"], me["role"]) == (first.slug, "owner")
    assert world.call("GET", "/v1/me", there).json()["role"] == "staff", "the session there goes on"


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
    assert _problem(refused) == (409, "conflict")
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
        assert _problem(world.refresh(person.session["refresh_token"])) == ENDED
        assert _problem(world.call("GET", "/v1/me", person)) == ENDED
    assert world.call("GET", "/v1/me", apart).status_code == 200


@pytest.mark.parametrize("stolen", [0, 1])
def test_a_refresh_token_that_comes_back_ends_what_came_of_its_session_at_other_businesses(
    world: World, stolen: int
) -> None:
    family = _at_two(world)
    token = family[stolen].session["refresh_token"]
    fresh = world.refresh(token).json()["refresh_token"]
    assert world.refresh(fresh).status_code == 200
    assert _problem(world.refresh(token)) == ENDED
    for person in family:
        assert _problem(world.call("GET", "/v1/me", person)) == ENDED
    assert _problem(world.refresh(family[1 - stolen].session["refresh_token"])) == ENDED


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
        assert _problem(opening.result()) == ENDED


def test_a_sign_in_under_way_as_the_password_is_set_is_refused(world: World) -> None:
    """The old password was right as it was checked; what it opens now would outlive the new one."""
    _, owner = world.business()
    body = {"email": owner.email, "password": PASSWORD}
    with ThreadPoolExecutor(1) as pool:
        with _ending(world, owner) as conn:
            signing_in = pool.submit(world.post, "/v1/sessions", body)
            _until_one_waits_for_the_user(world)
            conn.execute("UPDATE users SET password_set_at = now() WHERE email = %s", (owner.email,))
        assert _problem(signing_in.result()) == (401, "invalid-credentials")
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
    assert _problem(world.refresh(fresh.json()["refresh_token"])) == ENDED
    assert world.call("GET", "/v1/me", owner).status_code == 200, "which is of another family"


def test_nobody_gets_into_a_business_that_is_not_theirs(world: World) -> None:
    _, owner = world.business()
    other, _ = world.business()
    body = {"email": owner.email, "password": PASSWORD, "business": other.slug}
    assert _problem(world.post("/v1/sessions", body)) == (403, "no-business")
    assert _problem(world.post("/v1/sessions", {"business": other.slug}, owner)) == (403, "no-business")
    assert _problem(world.post("/v1/sessions", {"business": "nobody"}, owner)) == (403, "no-business")
    assert _problem(world.post("/v1/sessions", {"business": other.slug})) == (401, "unauthorized")
    world.call("DELETE", f"/v1/sessions/{owner.session['session_id']}", owner)
    own = owner.session["businesses"][0]["slug"]
    assert _problem(world.post("/v1/sessions", {"business": own}, owner)) == ENDED


def test_tokens_of_others_open_nothing(world: World) -> None:
    tenant, _ = world.business()
    forged = TokenMinter(issuer=PUBLIC_URL).headers(tenant.tenant_id)
    answer = world.call("GET", "/v1/me", headers=forged)
    assert answer.status_code in {503, 401}, "a key that is not known (yet)"
    until(lambda: world.call("GET", "/v1/me", headers=forged).status_code == 401, "the keys are read again")
    for header in ("", "Bearer", "Bearer x.y.z", "Basic YTpi"):
        assert world.call("GET", "/v1/me", headers={"Authorization": header}).status_code == 401


def test_a_suspended_business_can_be_signed_in_to_and_a_deleted_one_cannot(world: World) -> None:
    tenant, owner = world.business()
    suspended = world.change(tenant, state=TenantState.SUSPENDED)
    world.status(suspended, "OwnerAccepted")
    again = world.sign_in(owner.email, business=tenant.slug)
    assert again.session["businesses"][0]["suspended"] is True
    assert world.call("GET", "/v1/me", again).status_code == 200
    renewed = world.refresh(again.session["refresh_token"])
    assert renewed.status_code == 200

    world.delete(suspended, DeletionPolicy.RETAIN)
    body = {"email": owner.email, "password": PASSWORD}
    assert _problem(world.post("/v1/sessions", body)) == (403, "no-business")
    assert _problem(world.refresh(renewed.json()["refresh_token"])) == ENDED
    assert _problem(world.call("GET", "/v1/me", again)) == ENDED


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/email"),
        ({"email": "ada@riverside.example"}, "/password"),
        ({"password": PASSWORD}, "/email"),
        ({"email": "ada", "password": PASSWORD}, "/email"),
        ({"email": "ada@riverside.example", "password": ""}, "/password"),
        ({"email": "ada@riverside.example", "password": "x" * 1025}, "/password"),
        ({"email": "ada@riverside.example", "password": 7}, "/password"),
        ({"email": "ada@riverside.example", "password": PASSWORD, "business": "No Slug"}, "/business"),
        ({"email": "ada@riverside.example", "password": PASSWORD, "remember": True}, "/remember"),
    ],
)
def test_bad_input_is_named_and_does_not_show_the_password(
    world: World, body: dict[str, Any], pointer: str
) -> None:
    answer = world.post("/v1/sessions", body)
    assert _problem(answer) == (422, "invalid"), answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]], answer.text
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": "x" * 201}, {"token": "x"}])
def test_bad_refreshes_are_named(world: World, body: dict[str, Any]) -> None:
    assert _problem(world.post("/v1/sessions/refresh", body)) == (422, "invalid")


def test_what_is_stored_and_logged_holds_no_secret(world: World) -> None:
    _, owner = world.business()
    fresh = world.refresh(owner.session["refresh_token"]).json()
    secrets = {PASSWORD, owner.session["refresh_token"], fresh["refresh_token"], fresh["access_token"]}
    secrets |= set(world.links(owner.email))
    log = "".join(path.read_text("utf-8") for path in world.folder.glob("*.log"))
    assert "/v1/sessions/refresh" in log
    assert not [secret for secret in secrets if secret in log]
    for table in ("users", "session", "refresh_token", "invitation", "invitation_link", "mail", "outbox"):
        stored = str(world.rows(f"SELECT t::text FROM {table} t"))
        assert not [secret for secret in secrets if secret in stored], table
