"""Signing in, refreshing, switching, signing out, and what a guessed password leads to."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import jwt
import pytest
from pydantic import SecretStr

from auth.app import service_of
from auth.keyring import Keyring, Seal
from auth.opaque import OpaqueToken
from auth.settings import AuthSettings
from contracts.platform import DeletionPolicy, TenantState
from integration.auth.world import (
    ENCRYPTION_KEY,
    ENDED,
    PASSWORD,
    PUBLIC_URL,
    Person,
    World,
    new_email,
    problem,
)
from servicekit.db import Database
from servicekit.errors import Unavailable
from servicekit.http.tokens import TokenVerifier
from servicekit.ids import new_id
from servicekit.settings import TokenSettings
from servicekit.testing.tokens import TokenMinter
from support.events import until


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
    assert problem(wrong) == problem(unknown) == (401, "invalid-credentials")
    assert wrong.json()["detail"] == unknown.json()["detail"]


def test_repeated_failures_lock_the_account_for_a_while_whoever_makes_them(world: World) -> None:
    _, owner = world.business()
    guess = {"email": owner.email, "password": "another bicycle"}
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: world.post("/v1/sessions", guess).status_code, range(16)))
    assert statuses == {401: 10, 429: 6}
    refused = world.post("/v1/sessions", {"email": owner.email, "password": PASSWORD})
    assert problem(refused) == (429, "too-many-attempts")
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
    assert problem(answer) == (429, "too-many-attempts")
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


async def test_a_sign_in_that_a_rush_left_unchecked_counts_for_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, owner = world.business()
    settings = AuthSettings(encryption_key=SecretStr(ENCRYPTION_KEY), failed_logins_per_address=10)
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        keyring = Keyring(db, Seal(settings.sealing_key()), settings.key_times())
        sessions = service_of(db, keyring, settings, TokenSettings()).sessions
        monkeypatch.setattr("auth.passwords._MAX_WAITING", 0)
        for _ in range(11):
            with pytest.raises(Unavailable):
                await sessions.sign_in(owner.email, PASSWORD, None, "192.0.2.99")
    finally:
        await db.close()
    assert world.sign_in(owner.email)


def test_refreshing_gives_new_tokens_of_the_same_session(world: World) -> None:
    _, owner = world.business()
    first = owner.session
    second = world.refresh(first["refresh_token"]).json()
    assert second["session_id"] == first["session_id"]
    assert second["refresh_token"] != first["refresh_token"]
    assert second["businesses"] == first["businesses"]
    third = world.refresh(second["refresh_token"])
    assert third.status_code == 200, third.text


@pytest.mark.parametrize("token", ["x", "swr_" + "A" * 64, "swi_" + "A" * 64, "swr_" + "é" * 64])
def test_a_made_up_refresh_token_is_refused(world: World, token: str) -> None:
    assert problem(world.refresh(token)) == ENDED


def test_a_refresh_token_moved_to_another_business_is_unknown_there(world: World) -> None:
    _, owner = world.business()
    other, _ = world.business()
    mine = OpaqueToken.parse(owner.session["refresh_token"])
    assert mine is not None
    moved = OpaqueToken(mine.kind, other.tenant_id, mine.random)
    assert problem(world.refresh(moved.text())) == ENDED
    assert world.refresh(owner.session["refresh_token"]).status_code == 200


def test_signing_out_ends_the_session_and_may_be_repeated(world: World) -> None:
    _, owner = world.business()
    other = world.sign_in(owner.email)
    path = f"/v1/sessions/{owner.session['session_id']}"
    assert world.call("DELETE", path, owner).status_code == 204
    assert world.call("DELETE", path, owner).status_code == 204
    assert problem(world.refresh(owner.session["refresh_token"])) == ENDED
    assert problem(world.call("GET", "/v1/me", owner)) == ENDED
    assert world.call("GET", "/v1/me", other).status_code == 200


def test_nobody_ends_anothers_session(world: World) -> None:
    _, owner = world.business()
    staff = world.colleague(owner)
    _, stranger = world.business()
    for person in (staff, stranger):
        path = f"/v1/sessions/{owner.session['session_id']}"
        assert problem(world.call("DELETE", path, person)) == (404, "not-found")
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


def test_nobody_gets_into_a_business_that_is_not_theirs(world: World) -> None:
    _, owner = world.business()
    other, _ = world.business()
    body = {"email": owner.email, "password": PASSWORD, "business": other.slug}
    assert problem(world.post("/v1/sessions", body)) == (403, "no-business")
    assert problem(world.post("/v1/sessions", {"business": other.slug}, owner)) == (403, "no-business")
    assert problem(world.post("/v1/sessions", {"business": "nobody"}, owner)) == (403, "no-business")
    assert problem(world.post("/v1/sessions", {"business": other.slug})) == (401, "unauthorized")
    world.call("DELETE", f"/v1/sessions/{owner.session['session_id']}", owner)
    own = owner.session["businesses"][0]["slug"]
    assert problem(world.post("/v1/sessions", {"business": own}, owner)) == ENDED


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
    assert problem(world.post("/v1/sessions", body)) == (403, "no-business")
    assert problem(world.refresh(renewed.json()["refresh_token"])) == ENDED
    assert problem(world.call("GET", "/v1/me", again)) == ENDED


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
    assert problem(answer) == (422, "invalid"), answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]], answer.text
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": "x" * 201}, {"token": "x"}])
def test_bad_refreshes_are_named(world: World, body: dict[str, Any]) -> None:
    assert problem(world.post("/v1/sessions/refresh", body)) == (422, "invalid")


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
