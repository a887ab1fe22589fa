"""Who may use which route, in every service itself and not only at the gateway: by token, role, business."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.platform import TenantState
from integration.access.world import Route, Who, World
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support.events import until
from support.tenants import new_tenant

NO_KEY_TAKEN = {
    # Its answer would have to be kept, and with it the tokens.
    "POST /v1/sessions",
    # Makes nothing: the same delivery is queued once more, and once only while it waits.
    "POST /v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/resend",
}
"""Answers as what creates does, and takes no Idempotency-Key."""
KEY_TAKEN_TOO = {"POST /v1/webhook-endpoints/{endpoint_id}/rotate-secret"}
"""It answers 200, with the endpoint; what it makes is a secret."""


def refused(answer: httpx.Response, route: Route, status: int, *slugs: str) -> None:
    assert answer.status_code == status, f"{route}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json", route
    assert answer.json()["type"].removeprefix("/problems/") in slugs, f"{route}: {answer.text}"


def test_every_route_says_who_it_is_for(world: World) -> None:
    assert sorted(world.documented()) == sorted(str(route) for route in world.routes)


def test_every_post_that_creates_takes_an_idempotency_key(world: World) -> None:
    for name, operation in world.documented().items():
        creates = name.startswith("POST ") and {"201", "202"} & operation["responses"].keys()
        takes = "idempotency-key" in {item["name"].lower() for item in operation.get("parameters", ())}
        assert takes == ((bool(creates) and name not in NO_KEY_TAKEN) or name in KEY_TAKEN_TOO), name


def _unsigned(minter: TokenMinter, tenant_id: UUID) -> str:
    def part(value: dict[str, Any]) -> str:
        return urlsafe_b64encode(json.dumps(value, default=str).encode()).rstrip(b"=").decode()

    claims = minter.claims(tenant_id) | {"iat": 1, "exp": int(datetime.now(UTC).timestamp()) + 600}
    return f"{part({'alg': 'none', 'kid': minter.kid})}.{part(claims)}."


def _by_the_public_key(minter: TokenMinter, tenant_id: UUID) -> str:
    """What a verifier takes that lets the token choose its algorithm: the public key as HMAC's secret."""
    public: bytes = minter.key(minter.kid).public_bytes(Encoding.Raw, PublicFormat.Raw)  # type: ignore[union-attr]  # it is its own
    return jwt.encode(minter.claims(tenant_id), public, algorithm="HS256", headers={"kid": minter.kid})


def _by_another(minter: TokenMinter, tenant_id: UUID) -> str:
    return TokenMinter(kid=minter.kid, issuer=minter.issuer, audience=minter.audience).token(tenant_id)


def _edited(minter: TokenMinter, tenant_id: UUID) -> str:
    """A good token's signature under the claims of another."""
    head, _, signature = minter.token(tenant_id).split(".")
    return f"{head}.{minter.token(new_id()).split('.')[1]}.{signature}"


def _claiming(**claims: Any) -> Callable[[TokenMinter, UUID], str]:
    return lambda minter, tenant_id: minter.token(tenant_id, **claims)


BAD_TOKENS: dict[str, Callable[[TokenMinter, UUID], str]] = {
    "no token": lambda _minter, _tenant: "nonsense",
    "expired": _claiming(exp=datetime.now(UTC) - timedelta(minutes=1)),
    "not yet valid": _claiming(nbf=datetime.now(UTC) + timedelta(hours=1)),
    "without an end": _claiming(exp=None),
    "for another audience": _claiming(aud="others"),
    "without an audience": _claiming(aud=None),
    "of another issuer": _claiming(iss="https://evil.example"),
    "without an issuer": _claiming(iss=None),
    "of nobody": _claiming(sub=None),
    "without a business": _claiming(business_id=None),
    "of a business that is no id": _claiming(business_id="riverside"),
    "without a role": _claiming(role=None),
    "without a session": _claiming(sid=None),
    "unsigned": _unsigned,
    "signed by HMAC with the public key": _by_the_public_key,
    "signed by another key of the same name": _by_another,
    "edited": _edited,
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_bad_token_opens_nothing(world: World, kind: str) -> None:
    tenant = await world.tenant()
    before = world.state()
    for route in world.routes:
        if route.who is not Who.ANYONE:
            token = BAD_TOKENS[kind](world.minter, tenant.tenant_id)
            answer = world.call(route, tenant, f"Bearer {token}")
            refused(answer, route, 401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"', route
    assert world.state() == before


async def test_without_a_token_nothing_opens(world: World) -> None:
    tenant = await world.tenant()
    token = world.minter.token(tenant.tenant_id)
    before = world.state()
    for route in world.routes:
        for header in (None, "", "Bearer", f"Basic {token}", token):
            if route.who is not Who.ANYONE:
                refused(world.call(route, tenant, header), route, 401, "unauthorized")
    assert world.state() == before


async def test_a_token_of_an_unknown_key_is_to_come_again_until_it_was_looked_for(world: World) -> None:
    """It may be one that auth has just begun to sign with."""
    tenant = await world.tenant()
    closed = [route for route in world.routes if route.who is not Who.ANYONE]
    token = f"Bearer {TokenMinter(kid='unheard-of').token(tenant.tenant_id)}"
    first = world.call(closed[0], tenant, token)
    refused(first, closed[0], 503, "unavailable")
    assert first.headers["Retry-After"] == "1"
    until(lambda: world.call(closed[0], tenant, token).status_code == 401, "the keys are read again")
    for route in closed:
        answer = world.call(route, tenant, token)
        refused(answer, route, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"', route


async def test_an_expired_token_of_an_unknown_key_has_expired(world: World) -> None:
    """Its key has been dropped, as those are that nothing valid is signed with: no use to come again."""
    tenant = await world.tenant()
    past = datetime.now(UTC) - timedelta(days=3)
    token = TokenMinter(kid="dropped").token(tenant.tenant_id, iat=past, exp=past + timedelta(minutes=10))
    for route in world.routes:
        if route.who is not Who.ANYONE:
            refused(world.call(route, tenant, f"Bearer {token}"), route, 401, "unauthorized")


async def test_a_role_opens_what_it_is_for_and_nothing_else(world: World) -> None:
    tenant = await world.tenant()
    before = world.state()
    granted = []
    for route in world.routes:
        for role in ("owner", "staff", "admin", "Owner", "customer", ""):
            if route.who is Who.ANYONE:
                continue
            if role in route.who.value:
                granted.append((route, role))
            else:
                answer = world.call(
                    route, tenant, f"Bearer {world.minter.token(tenant.tenant_id, role=role)}"
                )
                refused(answer, route, 403, "forbidden")
    assert world.state() == before
    for route, role in granted:
        answer = world.call(route, tenant, f"Bearer {world.minter.token(tenant.tenant_id, role=role)}")
        slug = answer.json()["type"] if answer.status_code >= 400 else ""
        assert slug not in {"/problems/forbidden", "/problems/unauthorized"}, (
            f"{route} as {role}: {answer.text}"
        )
        assert answer.status_code != 500, f"{route}: {answer.text}"


@pytest.mark.parametrize("state", [TenantState.DELETING, None])
async def test_a_business_that_goes_or_is_not_known_is_out_of_reach(
    world: World, state: TenantState | None
) -> None:
    """A token outlives its business by up to ten minutes, and the rows of a retained one stay."""
    tenant = await world.tenant(state) if state else new_tenant()
    before = world.state()
    for route in world.routes:
        if route.of_a_business:
            answer = world.call(route, tenant, f"Bearer {world.minter.token(tenant.tenant_id)}")
            refused(answer, route, 404, "not-found")
            # Not the thing in it: its ids are nobody's, so that without this one could not tell them apart.
            # A feed's address says nothing of whose it is.
            about = "calendar" if "/feeds/" in route.path else "business"
            assert about in answer.json()["detail"], f"{route}: {answer.text}"
    assert world.state() == before


async def test_a_suspended_business_is_read_but_takes_nothing_new(world: World) -> None:
    tenant = await world.tenant(TenantState.SUSPENDED)
    before = world.state()
    token = f"Bearer {world.minter.token(tenant.tenant_id)}"
    for route in world.routes:
        if route.of_a_business and not route.even_so:
            answer = world.call(route, tenant, token)
            if route.new:
                refused(answer, route, 403, "tenant-suspended")
            elif answer.status_code == 401:
                # auth looks itself whether the token's user still works there, and this one never did.
                refused(answer, route, 401, "session-ended")
            else:
                assert answer.status_code in {200, 204, 404, 409, 422}, f"{route}: {answer.text}"
    assert world.state() == before
    for route in world.routes:
        if route.even_so:
            assert world.call(route, tenant, token).status_code in {200, 201}, route
