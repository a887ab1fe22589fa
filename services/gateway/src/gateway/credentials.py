"""Verifies access tokens, and keeps the result until they expire.

Used by gateway.admission. Results are kept under the token's SHA-256, never under the token. One counts only while
its key is the one that was fetched from auth last: keys are fetched every few minutes, and after each fetch every
token is verified once more, so that the tokens of a key that was withdrawn are refused.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import jwt

from gateway.metrics import TOKEN_CHECKS
from servicekit.clock import Clock, utc_now
from servicekit.errors import Problem, Unauthorized
from servicekit.http.tokens import KeySource, Principal, TokenVerifier, principal_of

_MOST_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    expires: float
    kid: str
    key: Any


class Credentials:
    """Makes Principals of Authorization headers."""

    def __init__(
        self, verifier: TokenVerifier, keys: KeySource, *, clock: Clock = utc_now, most: int = _MOST_KEPT
    ) -> None:
        self._verifier = verifier
        self._keys = keys
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[bytes, _Verified] = OrderedDict()

    def principal(self, authorization: str) -> Principal:
        """Raises Unauthorized, or Unavailable while the token's key cannot be had."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            TOKEN_CHECKS.labels("missing").inc()
            raise Unauthorized("Send an access token.", headers={"WWW-Authenticate": "Bearer"})
        digest = hashlib.sha256(token.encode()).digest()
        kept = self._kept.get(digest)
        if kept is not None:
            if kept.expires > self._clock().timestamp() and self._keys.key(kept.kid) is kept.key:
                self._kept.move_to_end(digest)
                TOKEN_CHECKS.labels("kept").inc()
                return kept.principal
            del self._kept[digest]
        verified = self._counted(token)
        self._kept[digest] = verified
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return verified.principal

    def _verify(self, token: str) -> _Verified:
        claims = self._verifier.claims(token)
        kid = jwt.get_unverified_header(token)["kid"]
        return _Verified(principal_of(claims), float(claims["exp"]), kid, self._keys.key(kid))

    def _counted(self, token: str) -> _Verified:
        try:
            verified = self._verify(token)
        except Problem:
            TOKEN_CHECKS.labels("refused").inc()
            raise
        TOKEN_CHECKS.labels("verified").inc()
        return verified
