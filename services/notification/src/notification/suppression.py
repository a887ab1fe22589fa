"""The suppression list: who is not written to any more, and why.

Pure; used by the service layer, the stores and delivery.
"""

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


def holds_back(scope: Scope, *, reminder: bool) -> bool:
    """Whether an entry of this scope holds back a message, which is a reminder or not."""
    return scope == "all" or reminder


def digest_of(tenant_id: UUID, channel: Channel, address: str) -> bytes:
    """What the list has in place of an address (16 bytes). Case does not count: nobody has two such mailboxes.

    A mail address is digested as mail is sent to it, which is what a bounce names: `münchen.example` is
    `xn--mnchen-3ya.example`. It does not keep who has the database from trying addresses that they can think of.
    """
    address = address.strip()
    if channel is Channel.EMAIL:
        with suppress(ValueError):
            address = as_sent(address)
    return _digest(tenant_id, channel, address)


def digests_of(tenant_id: UUID, channel: Channel, address: str) -> list[bytes]:
    """What to look an address up by: its digest, and those of its other spellings where they differ.

    Older entries of the list and older links in mails have the digest of the domain as people write it.
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
