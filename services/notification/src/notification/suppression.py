"""Who is not written to any more, and why. Pure; notification.rules keeps the list, delivery asks it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.booking import Channel

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

    Who holds the database can still try addresses that they think of; it is not for keeping them from that.
    """
    written = address.strip().lower().encode()
    return hashlib.sha256(tenant_id.bytes + channel.value.encode() + b":" + written).digest()[:16]
