"""Links that are capabilities: whoever holds one may do one thing, without an account (docs/adr/0008).

A token holds the ids of what it is for and a MAC of them, in URL-safe base64: nothing is stored and nothing secret
travels through Kafka. booking checks the tokens of appointments and of waitlist entries, notification writes them
into mails; both hold the key. notification makes and checks those for unsubscribing.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from pydantic import SecretStr

from contracts.booking import Channel

_MAC_BYTES = 18
_DIGEST_BYTES = 16


class _Links:
    """Signs and checks bodies of one length for one purpose with one key (at least 32 bytes)."""

    purpose: bytes
    body_bytes: int

    def __init__(self, key: SecretStr) -> None:
        self._key = key.get_secret_value().encode()
        if len(self._key) < 32:
            raise ValueError("the link key must have at least 32 bytes")

    def _sealed(self, body: bytes) -> str:
        return base64.urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode()

    def _opened(self, token: str) -> bytes | None:
        """What a genuine token is about; None for any other string."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, mac = raw[: self.body_bytes], raw[self.body_bytes :]
        whole = len(raw) == self.body_bytes + _MAC_BYTES
        return body if whole and hmac.compare_digest(mac, self._mac(body)) else None

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, self.purpose + body, hashlib.sha256).digest()[:_MAC_BYTES]


class _EntityLinks(_Links):
    """Links by which one thing of a tenant may be seen and changed."""

    body_bytes = 32

    def token(self, tenant_id: UUID, entity_id: UUID) -> str:
        """The token, 67 characters, safe in a path."""
        return self._sealed(tenant_id.bytes + entity_id.bytes)

    def parse(self, token: str) -> tuple[UUID, UUID] | None:
        """(tenant, id) of a genuine token; None for any other string."""
        body = self._opened(token)
        return None if body is None else (UUID(bytes=body[:16]), UUID(bytes=body[16:]))


class AppointmentLinks(_EntityLinks):
    """To an appointment: see, move, cancel it."""

    purpose = b"appointment-link:"


class WaitlistLinks(_EntityLinks):
    """To an entry of the waitlist: see it, accept what is offered, leave."""

    purpose = b"waitlist-link:"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A customer's address at one business, by a digest of 16 bytes."""

    tenant_id: UUID
    customer_id: UUID
    channel: Channel
    digest: bytes


class UnsubscribeLinks(_Links):
    """To stop the messages of one business to one address; the token holds the address's digest."""

    purpose = b"unsubscribe-link:"
    body_bytes = 16 + 16 + 1 + _DIGEST_BYTES

    def token(self, subscription: Subscription) -> str:
        """The token, 90 characters, safe in a path."""
        of = subscription
        return self._sealed(of.tenant_id.bytes + of.customer_id.bytes + _LETTER[of.channel] + of.digest)

    def parse(self, token: str) -> Subscription | None:
        """What a genuine token is about; None for any other string."""
        body = self._opened(token)
        if body is None:
            return None
        return Subscription(UUID(bytes=body[:16]), UUID(bytes=body[16:32]), _CHANNEL[body[32:33]], body[33:])


_LETTER = {Channel.EMAIL: b"e", Channel.SMS: b"s"}
_CHANNEL = {letter: channel for channel, letter in _LETTER.items()}
