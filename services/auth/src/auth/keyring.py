"""The keys that sign access tokens: made, sealed, rotated, published, and used.

`Keyring` is a loop of every process of auth (all of them share the table), the KeySource that verifies auth's own
tokens, and the signer of new ones. A private key is stored under AES-256-GCM only. Sources: RFC 8037, 7517, 7638.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm

from auth import queue_store
from auth.domain import KeyTimes, SigningKey, next_key_signs_from, outlived, signer
from servicekit import sealing
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import SlotwrightError, Unavailable
from servicekit.http.tokens import ALGORITHM, MissingKeys
from servicekit.periodic import Periodic

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 10.0


class WrongEncryptionKey(SlotwrightError):
    """The stored keys were sealed with another encryption key; starting again does not help."""


class Seal:
    """Seals private keys for storage."""

    def __init__(self, key: bytes) -> None:
        self._seal = sealing.Seal(key)

    def seal(self, kid: str, private: Ed25519PrivateKey) -> bytes:
        return self._seal.seal(kid, private.private_bytes_raw())

    def open(self, key: SigningKey) -> Ed25519PrivateKey:
        """Raises WrongEncryptionKey."""
        try:
            return Ed25519PrivateKey.from_private_bytes(self._seal.open(key.kid, key.sealed))
        except sealing.WrongSeal:
            raise WrongEncryptionKey(
                f"signing key {key.kid} was sealed with another SLOTWRIGHT_ENCRYPTION_KEY; give the old one back, "
                "or delete the rows of signing_key, which ends every access token at once"
            ) from None


def public_jwk(key: Ed25519PublicKey) -> dict[str, Any]:
    """The public JWK, named by its RFC 7638 thumbprint."""
    jwk: dict[str, Any] = json.loads(OKPAlgorithm.to_jwk(key))
    required = {name: jwk[name] for name in ("crv", "kty", "x")}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    kid = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
    return required | {"kid": kid, "alg": ALGORITHM, "use": "sig"}


def new_key(seal: Seal, signs_from: datetime) -> SigningKey:
    """A new key, as it is stored."""
    private = Ed25519PrivateKey.generate()
    kid = public_jwk(private.public_key())["kid"]
    return SigningKey(kid, seal.seal(kid, private), signs_from)


@dataclass(frozen=True, slots=True)
class _OpenKey(SigningKey):
    private: Ed25519PrivateKey
    public: Ed25519PublicKey


class Keyring(Periodic):
    """The keys of this process, read again every 10 s; rotation happens in whichever process sees it due first."""

    def __init__(self, db: Database, seal: Seal, times: KeyTimes, *, clock: Clock = utc_now) -> None:
        super().__init__("auth.keys", every=_EVERY_SECONDS)
        self._db = db
        self._seal = seal
        self._times = times
        self._clock = clock
        self._keys: dict[str, _OpenKey] = {}
        self._missing = MissingKeys()

    async def turn(self) -> None:
        now = self._clock()
        looked_for = [*self._missing.sought(), *self._keys]
        async with self._db.public() as conn:
            stored = await queue_store.signing_keys(conn)
            if self._rotation_due(stored, now):
                stored = await self._rotate(conn, now)
        self._keys = {key.kid: self._keys.get(key.kid) or self._opened(key) for key in stored}
        self._missing.looked_for(looked_for, self._keys)

    def _rotation_due(self, stored: Sequence[SigningKey], now: datetime) -> bool:
        return next_key_signs_from(stored, now, self._times) is not None or bool(
            outlived(stored, now, self._times)
        )

    async def _rotate(self, conn: Connection, now: datetime) -> list[SigningKey]:
        """Makes the key that is needed, if any, and drops those that are not; answers what is stored then."""
        await queue_store.lock_signing_keys(conn)
        stored = await queue_store.signing_keys(conn)  # another process may have done it meanwhile
        signs_from = next_key_signs_from(stored, now, self._times)
        if signs_from is not None:
            made = new_key(self._seal, signs_from)
            await queue_store.add_signing_key(conn, made)
            log.info("signing key made", kid=made.kid, signs_from=signs_from.isoformat())
            stored = [*stored, made]
        gone = [key.kid for key in outlived(stored, now, self._times)]
        await queue_store.delete_signing_keys(conn, gone)
        return [key for key in stored if key.kid not in gone]

    def _opened(self, key: SigningKey) -> _OpenKey:
        private = self._seal.open(key)
        return _OpenKey(key.kid, key.sealed, key.signs_from, private, private.public_key())

    async def ready(self) -> str | None:
        """The readiness check."""
        return None if signer(list(self._keys.values()), self._clock()) else "no signing key yet"

    def key(self, kid: str) -> Any | None:
        """The public key with this id, for TokenVerifier."""
        key = self._keys.get(kid)
        return key.public if key else None

    def gone(self, kid: str) -> bool:
        """See servicekit.http.tokens.KeySource."""
        return self._missing.gone(kid)

    def jwks(self) -> dict[str, Any]:
        """The JWKS document: every key that may have signed a valid token, and those that will sign next."""
        return {"keys": [public_jwk(key.public) for key in self._keys.values()]}

    def sign(self, claims: dict[str, Any], *, lifetime: timedelta) -> str:
        """A JWT with `iat` and `exp` added. Raises Unavailable before the first key is there."""
        now = self._clock()
        key = signer(list(self._keys.values()), now)
        if key is None:
            raise Unavailable("No signing key is there yet.")
        body = claims | {"iat": int(now.timestamp()), "exp": int((now + lifetime).timestamp())}
        return jwt.encode(body, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})
