"""Who is asking: access tokens are verified in every service, against the keys of auth's JWKS.

Source: RFC 7519, RFC 8037 (Ed25519), RFC 7517. Keys are fetched by a loop, never while a request waits; a token
with an unknown `kid` asks the loop to hurry and gets a 503 that says when to come again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

import aiohttp
import jwt
import structlog
from fastapi import Depends, Request

from servicekit import audit
from servicekit.errors import Forbidden, Unauthorized, Unavailable
from servicekit.health import Heartbeat
from servicekit.logging import name_tenant
from servicekit.settings import TokenSettings

log = structlog.get_logger(__name__)

ALGORITHM = "EdDSA"
OWNER = "owner"
STAFF = "staff"
ADMIN = "admin"
_REFRESH_SECONDS = 300.0
_RETRY_SECONDS = 1.0
_LEEWAY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user within one business. `role` is owner, staff or admin (the platform's own people)."""

    user_id: UUID
    tenant_id: UUID
    role: str
    session_id: UUID


class KeySource(Protocol):
    """Where public keys come from."""

    def key(self, kid: str) -> Any | None:
        """The key with this id; None when it is not known (yet)."""


class RemoteKeys:
    """auth's keys, refreshed by a loop."""

    name = "jwks"

    def __init__(self, settings: TokenSettings) -> None:
        self._url = settings.jwks_url
        self._keys: dict[str, Any] = {}
        self._hurry = asyncio.Event()

    def key(self, kid: str) -> Any | None:
        key = self._keys.get(kid)
        if key is None:
            self._hurry.set()
        return key

    async def ready(self) -> str | None:
        """The readiness check."""
        return None if self._keys else "no signing keys from auth yet"

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Fetches the keys now, every 5 minutes, and when an unknown one is asked for (at most once a second)."""
        beat.limit = 2 * _REFRESH_SECONDS
        # Each time by a connection of its own: one that was made while auth's address led elsewhere would go on to.
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while not stop.is_set():
                beat.beat()
                self._hurry.clear()
                pause = _REFRESH_SECONDS
                try:
                    async with session.get(self._url) as response:
                        response.raise_for_status()
                        document = await response.json()
                    self._keys = {
                        key.key_id: key.key for key in jwt.PyJWKSet.from_dict(document).keys if key.key_id
                    }
                except (aiohttp.ClientError, TimeoutError, jwt.PyJWTError) as error:
                    pause = _RETRY_SECONDS if not self._keys else 10.0
                    log.warning("keys not refreshed", url=self._url, error=str(error), retry_in=pause)
                await _first(stop.wait(), self._hurried(), limit=pause)

    async def _hurried(self) -> None:
        await asyncio.sleep(_RETRY_SECONDS)
        await self._hurry.wait()


async def _first(*waits: Awaitable[Any], limit: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


class TokenVerifier:
    """Checks access tokens and makes Principals of them."""

    def __init__(self, keys: KeySource, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    @classmethod
    def of_settings(cls, keys: KeySource, settings: TokenSettings, public_url: str) -> "TokenVerifier":
        """As a service wires it: the issuer is the platform's public URL unless the settings name another."""
        return cls(keys, issuer=settings.token_issuer or public_url, audience=settings.token_audience)

    def verify(self, token: str) -> Principal:
        """Raises Unauthorized, or Unavailable when the key is not known yet."""
        return principal_of(self.claims(token))

    def claims(self, token: str) -> dict[str, Any]:
        """The verified claims. Raises as `verify`."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise _refused("This is not a token.") from None
        if header.get("alg") != ALGORITHM or not isinstance(header.get("kid"), str):
            raise _refused("The token's algorithm is not accepted.")
        key = self._keys.key(header["kid"])
        if key is None:
            raise Unavailable("The token's key is not known here yet.", retry_after=1)
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("The token has expired; refresh it.") from None
        except jwt.PyJWTError:
            raise _refused("The token is not valid.") from None


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """The Principal of verified claims. Raises Unauthorized."""
    try:
        return Principal(
            user_id=UUID(claims["sub"]),
            tenant_id=UUID(claims["business_id"]),
            role=str(claims["role"]),
            session_id=UUID(claims["sid"]),
        )
    except (KeyError, ValueError, AttributeError):
        raise _refused("The token lacks a claim.") from None


def _refused(detail: str) -> Unauthorized:
    return Unauthorized(detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def bearer_token(request: Request) -> str:
    """The token of the Authorization header. Raises Unauthorized."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("Send an access token.", headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


# Asynchronous, though nothing is awaited: FastAPI runs other dependencies in a thread, whose context is lost.
async def _principal(request: Request) -> Principal:
    verifier: TokenVerifier = request.app.state.verifier
    principal = verifier.verify(bearer_token(request))
    name_tenant(principal.tenant_id)
    audit.name_member(principal.user_id)
    return principal


def allow(*roles: str) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that lets only these roles in."""

    async def check(principal: Annotated[Principal, Depends(_principal)]) -> Principal:
        if principal.role not in roles:
            raise Forbidden(f"Your role is {principal.role}; this needs {' or '.join(roles)}.")
        return principal

    return check


Member = Annotated[Principal, Depends(allow(OWNER, STAFF))]
"""Anyone who works at the business."""

Owner = Annotated[Principal, Depends(allow(OWNER))]
"""The business's owner."""
