"""Access tokens for tests: the same claims and algorithm as auth's, signed with a key made on the spot."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from servicekit.http.tokens import ALGORITHM, OWNER
from servicekit.ids import new_id


class TokenMinter:
    """Signs tokens, and is the KeySource that knows its key."""

    def __init__(
        self,
        *,
        issuer: str = "http://127.0.0.1:8080",
        audience: str = "slotwright",
        kid: str = "test-key",
        private: Ed25519PrivateKey | None = None,
    ) -> None:
        self._key = private or Ed25519PrivateKey.generate()
        self.kid = kid
        self.issuer = issuer
        self.audience = audience

    def key(self, kid: str) -> Any | None:
        return self._key.public_key() if kid == self.kid else None

    def gone(self, kid: str) -> bool:
        return kid != self.kid

    def jwks(self) -> dict[str, Any]:
        """The JWKS document, to be served to a service under test."""
        public = json.loads(OKPAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [public | {"kid": self.kid, "alg": ALGORITHM, "use": "sig"}]}

    def claims(self, tenant_id: UUID, **claims: Any) -> dict[str, Any]:
        """What a token says; `claims` override, and one that is None is left out."""
        now = datetime.now(UTC)
        body = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(new_id()),
            "sid": str(new_id()),
            "business_id": str(tenant_id),
            "role": OWNER,
            "iat": now,
            "exp": now + timedelta(minutes=10),
        }
        return {name: value for name, value in (body | claims).items() if value is not None}

    def token(self, tenant_id: UUID, **claims: Any) -> str:
        """An access token for the tenant's owner, unless `claims` say otherwise."""
        body = self.claims(tenant_id, **claims)
        return jwt.encode(body, self._key, algorithm=ALGORITHM, headers={"kid": self.kid})

    def headers(self, tenant_id: UUID, *, role: str = OWNER) -> dict[str, str]:
        """The Authorization header."""
        return {"Authorization": f"Bearer {self.token(tenant_id, role=role)}"}
