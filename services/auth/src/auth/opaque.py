"""Opaque tokens: what a refresh token or a link in a mail carries. Only their SHA-256 is stored.

A token is 32 random bytes, after the id of the business that it belongs to: so it can be looked up within that
business, under row level security, before the user is known. Its prefix tells what it is, to people and to scanners
for leaked secrets. Called by the service modules.
"""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

_RANDOM_BYTES = 32
_TENANT_BYTES = 16


class TokenKind(StrEnum):
    """The prefixes."""

    REFRESH = "swr"
    INVITATION = "swi"
    PASSWORD_RESET = "swp"  # noqa: S105 - a prefix


@dataclass(frozen=True, slots=True)
class OpaqueToken:
    """A token as it is handed out once; `repr` does not show it."""

    kind: TokenKind
    tenant_id: UUID
    random: bytes

    @classmethod
    def new(cls, kind: TokenKind, tenant_id: UUID) -> "OpaqueToken":
        return cls(kind, tenant_id, secrets.token_bytes(_RANDOM_BYTES))

    @classmethod
    def parse(cls, text: str) -> "OpaqueToken | None":
        """The token of a string that looks like one; None for any other."""
        prefix, _, body = text.partition("_")
        try:
            kind = TokenKind(prefix)
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != _TENANT_BYTES + _RANDOM_BYTES:
            return None
        return cls(kind, UUID(bytes=raw[:_TENANT_BYTES]), raw[_TENANT_BYTES:])

    def text(self) -> str:
        """What the client gets: 68 characters, safe in a URL."""
        return f"{self.kind.value}_{base64.urlsafe_b64encode(self.tenant_id.bytes + self.random).decode()}"

    def digest(self) -> bytes:
        """What is stored."""
        return hashlib.sha256(self.text().encode()).digest()

    def __repr__(self) -> str:
        return f"OpaqueToken({self.kind.value})"
