"""Who is not written to any more, and why. Pure; notification.rules keeps the list, delivery asks it."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.booking import Channel
from servicekit.mail import as_read, as_sent

Reason = Literal["unsubscribed", "bounced", "complaint", "by-hand"]
Scope = Literal["reminders", "all"]


@dataclass(frozen=True, slots=True)
class Suppression:
    """One reason not to write to an address. `hint` is the masked address; None when the person is erased."""

    suppression_id: UUID
    channel: Channel
    reason: Reason
    scope: Scope
    hint: str | None
    created_at: datetime


def against(scope: Scope, *, reminder: bool) -> bool:
    """Whether a message, a reminder or not, is held back by what holds as far as `scope`."""
    return scope == "all" or reminder


def digest_of(tenant_id: UUID, channel: Channel, address: str) -> bytes:
    """How an address stands in the list (16 bytes): upper and lower case are one, as nobody has two such mailboxes.

    Mail's is of what mail goes to, as that is what a bounce names: `münchen.example` is `xn--mnchen-3ya.example`.
    Who holds the database can still try addresses that they think of; it is not for keeping them from that.
    """
    address = address.strip()
    if channel is Channel.EMAIL:
        with suppress(ValueError):
            address = as_sent(address)
    return _digest(tenant_id, channel, address)


def digests_of(tenant_id: UUID, channel: Channel, address: str) -> list[bytes]:
    """What to look for: the digest, and where they are others those of the address as people write it.

    Entries of the list and links in mails were made with those before, of a domain as it was written then.
    """
    written = [address.strip()]
    if channel is Channel.EMAIL:
        with suppress(ValueError):
            written.append(as_read(written[0]))
    before = (_digest(tenant_id, channel, text) for text in written)
    return list(dict.fromkeys((digest_of(tenant_id, channel, address), *before)))


def _digest(tenant_id: UUID, channel: Channel, address: str) -> bytes:
    of = tenant_id.bytes + channel.value.encode() + b":" + address.lower().encode()
    return hashlib.sha256(of).digest()[:16]
