"""Who is asking: access tokens are verified in every service, against the keys of auth's JWKS.

Source: RFC 7519, RFC 8037 (Ed25519), RFC 7517. Keys are fetched by a loop, never while a request waits; a token
with an unknown `kid` asks the loop to hurry and gets a 503 that says when to come again. Once the loop has looked
and not found it, or where the token has expired anyway, it is a 401, upon which a client refreshes.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

import aiohttp
import jwt
import structlog
from fastapi import Depends, Request

from servicekit import audit
from servicekit.errors import Forbidden, Problem, Unauthorized, Unavailable
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
_HURRY_SECONDS = 10.0
"""Between two fetches that tokens ask for: anyone may invent a `kid`, and each process would ask auth."""
_LEEWAY_SECONDS = 5
_LONGEST_KID = 128
"""auth's are thumbprints (RFC 7638) of 43 characters."""
_MOST_SOUGHT = 1000


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

    def gone(self, kid: str) -> bool:
        """Whether a key that is not known was missing when keys were read after it was first asked for."""


class MissingKeys:
    """Which unknown keys were asked for, and which of them a later reading of the keys did not find either.

    For a KeySource that reads its keys again and again: RemoteKeys, and auth.keyring. Remembers 1000 keys; one that
    is forgotten counts as never asked for.
    """

    def __init__(self) -> None:
        self._sought: OrderedDict[str, bool] = OrderedDict()

    def gone(self, kid: str) -> bool:
        """As KeySource.gone; notes a key that is asked for the first time."""
        if kid not in self._sought:
            self._note(kid, gone=False)
        return self._sought[kid]

    def sought(self) -> list[str]:
        """The keys that a reading which begins now looks for."""
        return list(self._sought)

    def looked_for(self, kids: Iterable[str], found: Container[str]) -> None:
        """Notes the result of a complete reading, which looked for `kids` and has `found`."""
        for kid in kids:
            if kid not in found:
                self._note(kid, gone=True)
            else:
                self._sought.pop(kid, None)

    def _note(self, kid: str, *, gone: bool) -> None:
        self._sought[kid] = gone
        self._sought.move_to_end(kid)
        if len(self._sought) > _MOST_SOUGHT:
            self._sought.popitem(last=False)


class RemoteKeys:
    """auth's keys, refreshed by a loop. At least `hurry_seconds` lie between fetches that tokens ask for."""

    name = "jwks"

    def __init__(self, settings: TokenSettings, *, hurry_seconds: float = _HURRY_SECONDS) -> None:
        self._url = settings.jwks_url
        self._hurry_seconds = hurry_seconds
        self._keys: dict[str, Any] = {}
        self._missing = MissingKeys()
        self._hurry = asyncio.Event()

    def key(self, kid: str) -> Any | None:
        return self._keys.get(kid)

    def gone(self, kid: str) -> bool:
        # Fetched again even if so: one process of auth may sign with a key that another has not read yet.
        self._hurry.set()
        return self._missing.gone(kid)

    async def ready(self) -> str | None:
        """The readiness check."""
        return None if self._keys else "no signing keys from auth yet"

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Fetches the keys now, every 5 minutes, and when an unknown one is asked for (at most every 10 s)."""
        beat.limit = 2 * _REFRESH_SECONDS
        # Each fetch connects anew: a connection that is kept would go on to where auth's address led at first.
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while not stop.is_set():
                beat.beat()
                self._hurry.clear()
                may_hurry, pause = time.monotonic() + self._hurry_seconds, _REFRESH_SECONDS
                try:
                    await self._fetch(session)
                except (
                    aiohttp.ClientError,
                    TimeoutError,
                    jwt.PyJWTError,
                    ValueError,
                    RecursionError,
                ) as error:
                    pause = _RETRY_SECONDS if not self._keys else 10.0
                    log.warning("keys not refreshed", url=self._url, error=str(error), retry_in=pause)
                await _first(stop.wait(), self._hurried(may_hurry), limit=pause)

    async def _fetch(self, session: aiohttp.ClientSession) -> None:
        looked_for = [*self._missing.sought(), *self._keys]
        async with session.get(self._url) as response:
            response.raise_for_status()
            document = await response.json()
        if not isinstance(document, dict):
            raise jwt.PyJWKSetError("the answer is no JSON object")
        self._keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(document).keys if key.key_id}
        self._missing.looked_for(looked_for, self._keys)

    async def _hurried(self, at: float) -> None:
        await asyncio.sleep(max(0, at - time.monotonic()))
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
        """Raises Unauthorized, or Unavailable while the key cannot be had."""
        return principal_of(self.claims(token))

    def claims(self, token: str) -> dict[str, Any]:
        """The verified claims. Raises as `verify`."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise _refused("This is not a token.") from None
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or not isinstance(kid, str) or len(kid) > _LONGEST_KID:
            raise _refused("The token's algorithm is not accepted.")
        key = self._keys.key(kid)
        if key is None:
            raise self._keyless(token, kid)
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                # `iat` is by auth's clock, which may be ahead, and bounds nothing (RFC 7519 §4.1.6); `exp` does.
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("The token has expired; refresh it.") from None
        except jwt.PyJWTError:
            raise _refused("The token is not valid.") from None

    def _keyless(self, token: str, kid: str) -> Problem:
        """Why a token with an unknown key is not accepted. Its `exp`, not verified, can only lead to a refusal."""
        try:
            expires = jwt.decode(token, options={"verify_signature": False}).get("exp")
        except jwt.PyJWTError:
            expires = None
        if not isinstance(expires, int | float):
            return _refused("The token is not valid.")
        if expires + _LEEWAY_SECONDS < time.time():
            return _refused("The token has expired; refresh it.")
        if self._keys.gone(kid):
            return _refused("The token's key is not in use any more; refresh it.")
        return Unavailable("The token's key is not known here yet.", retry_after=1)


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
