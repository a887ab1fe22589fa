"""Caps on what may be asked for without an account: one client address has at most so much of it at a time.

Called by booking.holds and booking.waitlist.line. No address is kept: a row has a MAC of it, which is gone with
what is counted, and is another one at each business and for each kind of thing.
"""

import hashlib
import hmac
from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import SecretStr

from servicekit.addresses import counted_as
from servicekit.db import Connection
from servicekit.errors import TooManyRequests, retry_after

_DIGEST_BYTES = 16


class ClientCap(ABC):
    """At most `most` for one client; a subclass says of what, and for which `purpose` it hides addresses.

    `refusal` is what it raises for more, in the words of `refused`, which name `most`.
    """

    purpose: ClassVar[bytes]
    refusal: ClassVar[type[TooManyRequests]]
    refused: ClassVar[str]

    def __init__(self, link_key: SecretStr, *, most: int) -> None:
        self.most = most
        self._key = hmac.digest(link_key.get_secret_value().encode(), self.purpose, hashlib.sha256)

    def client(self, tenant_id: UUID, address: str) -> bytes:
        """The keyed digest that stands for a client address at a business; 16 bytes."""
        whose = tenant_id.bytes + counted_as(address).encode()
        return hmac.digest(self._key, whose, hashlib.sha256)[:_DIGEST_BYTES]

    async def admit(self, conn: Connection, tenant_id: UUID, address: str, now: datetime) -> bytes:
        """The client, who gets no other until the transaction ends. Raises `refusal`."""
        client = self.client(tenant_id, address)
        count, first_ends = await self._count(conn, tenant_id, client, now)
        if count >= self.most and first_ends is not None:
            words = self.refused.format(most=self.most)
            raise self.refusal(words, headers=retry_after(first_ends, now), limit=self.most)
        return client

    @abstractmethod
    async def _count(
        self, conn: Connection, tenant_id: UUID, client: bytes, now: datetime
    ) -> tuple[int, datetime | None]:
        """How much the client has, and when the first of it ends; locks the client until the transaction ends."""
