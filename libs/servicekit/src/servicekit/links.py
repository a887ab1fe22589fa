"""Links that are capabilities: whoever holds one may see and change one thing (docs/adr/0008).

The token is `(tenant, id, MAC)` in URL-safe base64: nothing is stored and nothing secret travels through
Kafka. booking checks tokens, notification writes them into mails; both hold the key.
"""

import base64
import binascii
import hashlib
import hmac
from typing import ClassVar
from uuid import UUID

from pydantic import SecretStr

_MAC_BYTES = 18


class Links:
    """Signs and checks tokens with one key (at least 32 bytes); by its `PURPOSE` no kind passes as another."""

    PURPOSE: ClassVar[bytes]

    def __init__(self, key: SecretStr) -> None:
        self._key = key.get_secret_value().encode()
        if len(self._key) < 32:
            raise ValueError("the link key must have at least 32 bytes")

    def token(self, tenant_id: UUID, entity_id: UUID) -> str:
        """The token, 67 characters, safe in a path."""
        body = tenant_id.bytes + entity_id.bytes
        return base64.urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode()

    def parse(self, token: str) -> tuple[UUID, UUID] | None:
        """(tenant, id) of a genuine token; None for any other string."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, mac = raw[:32], raw[32:]
        if len(raw) != 32 + _MAC_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            return None
        return UUID(bytes=body[:16]), UUID(bytes=body[16:])

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, self.PURPOSE + b":" + body, hashlib.sha256).digest()[:_MAC_BYTES]


class AppointmentLinks(Links):
    """To an appointment: see, move, cancel it."""

    PURPOSE = b"appointment-link"


class WaitlistLinks(Links):
    """To somebody's place on the waitlist: see it, take what is offered, leave."""

    PURPOSE = b"waitlist-link"
