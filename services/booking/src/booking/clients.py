"""Whose something is that anyone may ask for: one client, by its address, has so much of it at a time.

Called by booking.holds and booking.waitlist. No address is kept: a row has a MAC of it, which is gone with what is
counted, and is another one at each business and for each kind of thing.
"""

import hashlib
import hmac
from typing import ClassVar
from uuid import UUID

from pydantic import SecretStr

from servicekit.addresses import counted_as

_DIGEST_BYTES = 16


class ClientCap:
    """At most `most` for one client; a subclass says of what, and for which `purpose` it hides addresses."""

    purpose: ClassVar[bytes]

    def __init__(self, link_key: SecretStr, *, most: int) -> None:
        self.most = most
        self._key = hmac.digest(link_key.get_secret_value().encode(), self.purpose, hashlib.sha256)

    def client(self, tenant_id: UUID, address: str) -> bytes:
        """Whose that is which comes from the address; 16 bytes."""
        whose = tenant_id.bytes + counted_as(address).encode()
        return hmac.digest(self._key, whose, hashlib.sha256)[:_DIGEST_BYTES]
