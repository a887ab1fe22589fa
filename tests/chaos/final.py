"""Reads what a run has left, by ways that the services do not use: as superuser, as another consumer, from the mail
server. What comes out is plain JSON, for a checker that knows nothing of us.
"""

import json
import time
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from chaos.world import World
from devstack.local_http import LOCAL_HTTP
from support.events import Topics
from support.groups import ends, places, read_to
from support.mail import Mailpit

_LONGEST_PAUSE = 600.0
"""Of notification, in seconds, after a message's failed attempt."""

_APPOINTMENTS = """
SELECT tenant_id::text AS tenant, appointment_id::text AS id, version, status, service_id::text,
    ARRAY(SELECT unnest(resource_ids)::text ORDER BY 1) AS resource_ids, customer_id::text, series_id::text,
    extract(epoch FROM starts_at)::float8 AS starts_at,
    extract(epoch FROM ends_at)::float8 AS ends_at
FROM appointment"""
_ALLOCATIONS = """
SELECT tenant_id::text AS tenant, allocation_id::text AS id, resource_id::text, place, state,
    extract(epoch FROM lower(during))::float8 AS begin, extract(epoch FROM upper(during))::float8 AS "end",
    appointment_id::text, hold_id::text
FROM allocation"""
_HOLDS = """
SELECT hold_id::text AS id, service_id::text, extract(epoch FROM starts_at)::float8 AS starts_at FROM hold"""
_PLACES = """
SELECT tenant_id::text AS tenant, entry_id::text AS id, state, service_id::text, staff_id::text, customer_id::text,
    extract(epoch FROM earliest)::float8 AS earliest, extract(epoch FROM latest)::float8 AS latest
FROM waitlist_entry"""
_OFFERS = """
SELECT tenant_id::text AS tenant, offer_id::text AS id, entry_id::text AS place_id, hold_id::text, outcome,
    ARRAY(SELECT unnest(staff_ids)::text ORDER BY 1) AS staff_ids,
    extract(epoch FROM starts_at)::float8 AS starts_at, extract(epoch FROM ends_at)::float8 AS ends_at,
    extract(epoch FROM offered_at)::float8 AS offered_at, extract(epoch FROM expires_at)::float8 AS expires_at
FROM waitlist_offer"""
_CUSTOMERS = "SELECT customer_id::text AS id, email FROM customer"
_MESSAGES = """
SELECT tenant_id::text AS tenant, message_id::text AS id, channel, kind, appointment_id::text, appointment_version,
    reminder_id::text, status, attempts, repeated, reason, extract(epoch FROM settled_at)::float8 AS settled_at
FROM message"""
_TEXTS = "SELECT tenant_id::text AS tenant, message_id::text AS id FROM mock_sms"
_TOPICS = (
    "booking.appointment.v1",
    "booking.reminder.v1",
    "booking.waitlist.v1",
    "scheduler.reminder.v1",
    "notification.message.v1",
)
_MOST_MAILS = 1_000_000


def booking_state(world: World) -> dict[str, Any]:
    """The database of booking."""
    return {
        "appointments": world.rows("booking", _APPOINTMENTS),
        "allocations": world.rows("booking", _ALLOCATIONS),
        "holds": {row["id"]: row for row in world.rows("booking", _HOLDS)},
        "customers": world.rows("booking", _CUSTOMERS),
        "places": world.rows("booking", _PLACES),
        "offers": world.rows("booking", _OFFERS),
    }


def whole_state(world: World, topics: Topics, tenants: set[str], mailpit: Mailpit | None) -> dict[str, Any]:
    """That, with the topics; and notification's messages and the mails, where there is a mail server."""
    state: dict[str, Any] = {
        "booking": booking_state(world),
        "topics": {topic: _events(topics, topic, tenants) for topic in _TOPICS},
    }
    if mailpit is not None:
        state["messages"] = [row for row in world.rows("notification", _MESSAGES) if row["tenant"] in tenants]
        state["mails"] = _mails(mailpit.url)
        state["texts"] = [row["id"] for row in world.rows("notification", _TEXTS) if row["tenant"] in tenants]
    return state


def write(folder: Path, state: dict[str, Any]) -> None:
    (folder / "final.json").write_text(json.dumps(state), "utf-8")


def _events(topics: Topics, topic: str, tenants: set[str]) -> list[dict[str, Any]]:
    found = []
    for message in topics.messages(topic, seconds=300):
        headers = {name: value.decode() for name, value in message.headers}
        if headers.get("ce_tenantid") in tenants:
            found.append(
                {
                    "id": headers["ce_id"],
                    "type": headers["ce_type"],
                    "tenant": headers["ce_tenantid"],
                    "key": (message.key or b"").decode(),
                    "partition": message.partition,
                    "offset": message.offset,
                    "time": headers["ce_time"],
                    "data": json.loads(message.value or b"null"),
                }
            )
    return found


def _mails(url: str) -> list[dict[str, Any]]:
    """All that the server has; `created` by its own, true clock."""
    # In one answer: pages shift when a mail comes between two of them.
    answer = LOCAL_HTTP.get(f"{url}/api/v1/messages", params={"limit": _MOST_MAILS}, timeout=300).json()
    listed = answer["messages"]
    assert len(listed) == answer["total"], f"listed {len(listed)} of {answer['total']} mails"
    return [
        {
            "message_id": item["MessageID"].partition("@")[0],
            "to": item["To"][0]["Address"],
            "created": datetime.fromisoformat(item["Created"]).timestamp(),
        }
        for item in listed
    ]


_READS: dict[str, dict[str, tuple[str, ...]]] = {
    "scheduler": {"timers": ("booking.reminder.v1",)},
    "notification": {
        "messages": ("booking.appointment.v1", "booking.waitlist.v1", "scheduler.reminder.v1"),
        "customers": ("booking.customer.v1",),
    },
}
"""What each consumer group of a service reads, of what a run writes."""
_OF_BUSINESS: dict[str, dict[str, tuple[str, ...]]] = {"booking": {"catalog": ("business.catalog.v1",)}}
"""And where a business changes what it offers."""


def lag(admin: AdminClient, services: Collection[str], prefix: str = "") -> dict[str, int]:
    """By consumer group: how many messages it has still to take in."""
    reads = _READS | (_OF_BUSINESS if "business" in services else {})
    read_by = {
        f"{prefix}{service}.{name}": topics
        for service in reads.keys() & services
        for name, topics in reads[service].items()
    }
    end = ends(admin, places({topic for topics in read_by.values() for topic in topics}))
    return {
        group: sum(end[place] - offset for place, offset in read_to(admin, group, places(topics)).items())
        for group, topics in read_by.items()
    }


def quiet(world: World, admin: dict[str, str], *, prefix: str = "", seconds: float = 120) -> None:
    """Waits until nothing is on its way any more: no outbox, no lag, no timer that is due, no message to send,
    no appointment that runs out or follows an older reminder policy, no time that has just become free.

    A long run leaves much behind it; what counts is that something of it moves every `seconds`. Messages are given
    the longest pause after a failed attempt besides. `admin` is librdkafka's configuration of a super user.
    """
    kafka = AdminClient({**admin, "log_level": "0"})

    def count(service: str, of: str, *values: object) -> int:
        (row,) = world.rows(service, f"SELECT count(*) FROM {of}", *values)
        return int(row["count"])

    def outboxes() -> list[str]:
        return [f"{name}: {left} in the outbox" for name in world.database if (left := count(name, "outbox"))]

    def lags() -> list[str]:
        return [f"{group} is {n} behind" for group, n in lag(kafka, world.database, prefix).items() if n]

    def timers() -> list[str]:
        due = count("scheduler", "timer WHERE due_at <= to_timestamp(%s)", world.clocks["scheduler"].now())
        return [f"{due} timers are due"] if due else []

    def unconfirmed() -> list[str]:
        now = world.clocks["booking"].now()
        left = count("booking", "appointment WHERE status = 'pending' AND starts_at <= to_timestamp(%s)", now)
        return [f"{left} appointments have not been confirmed and have begun"] if left else []

    def policies() -> list[str]:
        left = count("booking", "reminder_alignment")
        return [f"{left} businesses' appointments do not follow the policy yet"] if left else []

    def messages() -> list[str]:
        waits = count("notification", "message WHERE status IN ('queued', 'sending')")
        return [f"{waits} messages wait"] if waits else []

    def freed() -> list[str]:
        left = count("booking", "freed_time")
        return [f"{left} times have become free, and the waitlist has not been told"] if left else []

    # Downstream, so that nothing moves past the one who looks.
    looks = [unconfirmed, policies, freed, outboxes, lags]
    looks += [timers, outboxes, lags] if "scheduler" in world.database else []
    looks += [messages] if "notification" in world.database else []
    moved = time.monotonic()
    calm, before = 0, list[str]()
    while calm < 2:  # one look alone may fall between two parts
        look, left = next(((look, left) for look in looks if (left := look())), (None, list[str]()))
        calm = 0 if left else calm + 1
        if left != before:
            moved, before = time.monotonic(), left
        patience = seconds + (_LONGEST_PAUSE if look is messages else 0)
        assert time.monotonic() < moved + patience, f"nothing has moved for {patience} s: {left}"
        time.sleep(0.2)
