"""The service layer of calendar feeds: a staff member's appointments, for the calendar on their telephone.

Whoever has a feed's address sees it, without an account, and it names customers: it is the staff member's own. So
its token cannot be guessed, is kept as a hash only, and is void once another is made or the feed is withdrawn.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from booking import allocations
from booking.domain import CALENDAR_STATUS, FEED_BACK, Status
from booking.records import store as records
from servicekit import audit
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import NotFound
from servicekit.ical import CalendarEvent, calendar_feed
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change

REFRESH = timedelta(minutes=15)
_AHEAD = timedelta(days=400)
_SECRET_BYTES = 32
_FORM = 1
"""The version of the document's form, part of the ETag: a calendar with an older form has to fetch it again."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed as it is now. `content` is None for who has it already."""

    tag: str
    content: bytes | None


class FeedService:
    """What the routes can ask for."""

    def __init__(self, db: Database, *, public_url: str, clock: Clock = utc_now) -> None:
        self._db = db
        self._public_url = public_url.rstrip("/")
        self._clock = clock

    async def rotate(self, tenant_id: UUID, staff_id: UUID) -> str:
        """The address of the staff member's feed, told this once; an earlier one is void. Raises NotFound."""
        secret = secrets.token_bytes(_SECRET_BYTES)
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            await _require_staff(conn, tenant_id, staff_id)
            await records.save_feed(conn, tenant_id, staff_id, _hash(secret))
            await audit.record(conn, tenant_id, "staff-feed.rotated", "staff", staff_id)
        token = base64.urlsafe_b64encode(tenant_id.bytes + staff_id.bytes + secret).rstrip(b"=").decode()
        return f"{self._public_url}/v1/public/feeds/{token}.ics"

    async def withdraw(self, tenant_id: UUID, staff_id: UUID) -> None:
        """The feed's address is void. Raises NotFound when there is no feed. Also while suspended."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)
            if not await records.delete_feed(conn, tenant_id, staff_id):
                raise NotFound("This staff member has no feed.")
            await audit.record(conn, tenant_id, "staff-feed.withdrawn", "staff", staff_id)

    async def feed(self, token: str, known: frozenset[str]) -> Feed:
        """The feed, unless its tag is among the `known`. Raises NotFound for a token that is none, or is void."""
        parsed = _parse(token)
        if parsed is None:
            raise _no_feed()
        tenant_id, staff_id, secret = parsed
        now = self._clock()
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            found = await records.feed(conn, tenant_id, staff_id)
            if found is None or not hmac.compare_digest(found[0], _hash(secret)):
                raise _no_feed()
            # By the day, so that the tag of what has not changed stays.
            today = now.replace(hour=0, minute=0, second=0, microsecond=0)
            rows = await records.feed_appointments(
                conn, tenant_id, staff_id, today - FEED_BACK, today + _AHEAD
            )
        name = f"{found[1]} – {tenant.display_name}"
        told = json.dumps([_FORM, name, [list(row.values()) for row in rows]], default=str)
        tag = hashlib.sha256(told.encode()).hexdigest()[:32]
        if tag in known:
            return Feed(tag, None)
        # In a thread: some thousands of events take a while.
        return Feed(tag, await asyncio.to_thread(_document, name, rows))


async def _require_staff(conn: Connection, tenant_id: UUID, staff_id: UUID) -> None:
    if not await allocations.resources(conn, tenant_id, [staff_id]):
        raise NotFound("There is no such staff member.")


def _document(name: str, rows: list[dict[str, Any]]) -> bytes:
    events = (
        CalendarEvent(
            appointment_id=row["appointment_id"],
            version=row["version"],
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
            status=CALENDAR_STATUS[Status(row["status"])],
            summary=f"{row['customer']} – {row['service']}",
            stamp=row["created_at"],
        )
        for row in rows
    )
    return calendar_feed(events, name=name, refresh=REFRESH)


def _hash(secret: bytes) -> bytes:
    # Of 32 random bytes, which nobody can try out: a slow hash would add nothing.
    return hashlib.sha256(secret).digest()


def _parse(token: str) -> tuple[UUID, UUID, bytes] | None:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 32 + _SECRET_BYTES:
        return None
    return UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:]


def _no_feed() -> NotFound:
    return NotFound("This address leads to no calendar; it may have been withdrawn.")
