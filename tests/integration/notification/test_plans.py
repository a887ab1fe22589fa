"""How PostgreSQL finds a business's messages among those of years and of all the others.

No test of results would notice that it reads all of them.
"""

from typing import Any

import psycopg
import pytest

from notification.rules_store import _SQL as RULES
from notification.store import _SQL as MESSAGES
from notification.webhooks.store import _SQL as WEBHOOKS
from servicekit.clock import utc_now
from servicekit.ids import new_id
from support.databases import Databases

_PAGE = {"after": None, "status": None, "channel": None, "appointment_id": None, "limit": 50}


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (MESSAGES.messages, _PAGE, "message_pkey"),
        (MESSAGES.messages, _PAGE | {"status": "failed"}, "message_by_status"),
        (MESSAGES.messages, _PAGE | {"status": "suppressed", "channel": "email"}, "message_by_status"),
        (MESSAGES.messages, _PAGE | {"channel": "sms"}, "message_by_sms"),
        (MESSAGES.messages, _PAGE | {"appointment_id": new_id()}, "message_by_appointment"),
        (MESSAGES.drop_queue, {"now": utc_now(), "limit": 10}, "message_by_status"),
        (RULES.release_held, {"now": utc_now()}, "message_by_status"),
    ],
)
def test_a_businesss_messages_are_found_by_an_index(
    databases: Databases, statement: bytes, values: dict[str, Any], index: str
) -> None:
    """Among those of three businesses, of which one in a thousand has failed and every fifth is a text message."""
    database = databases.for_service("notification")
    tenants = [new_id() for _ in range(3)]
    with psycopg.connect(database.admin_url) as admin:
        admin.execute(_MESSAGES, {"tenants": tenants})
        admin.execute("ANALYZE message")
    with psycopg.connect(database.settings.conninfo()) as conn:
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenants[0])])
        plan = conn.execute(b"EXPLAIN " + statement, values | {"tenant_id": tenants[0]}).fetchall()
    assert any(index in line for (line,) in plan), plan


@pytest.mark.parametrize(
    ("status", "index", "found"),
    [
        ("failed", "webhook_delivery_not_delivered", 5),
        ("delivered", "webhook_delivery_log", 50),
        (None, "webhook_delivery_log", 50),
    ],
)
def test_a_page_of_an_endpoints_log_is_read_in_its_order(
    databases: Databases, status: str | None, index: str, found: int
) -> None:
    """Not all of it, to be sorted; and what was not delivered without all that was."""
    database, tenant_id = databases.for_service("notification"), new_id()
    endpoints = [new_id() for _ in range(5)]
    ids = {"tenant_id": tenant_id, "endpoints": endpoints}
    with psycopg.connect(database.admin_url) as admin:
        admin.execute(_ENDPOINT, ids)
        admin.execute(_DELIVERIES, ids)
        admin.execute("ANALYZE webhook_delivery")
    one = {"tenant_id": tenant_id, "endpoint_id": endpoints[2]}
    asked = one | {"delivery_id": None, "after": None, "status": status, "type": None, "limit": 50}
    with psycopg.connect(database.settings.conninfo()) as conn:
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
        conn.execute(WEBHOOKS.in_log_order)
        plan = conn.execute(b"EXPLAIN " + WEBHOOKS.deliveries, asked).fetchall()
        assert any(index in line for (line,) in plan), plan
        assert not any("Sort" in line for (line,) in plan), plan
        assert len(conn.execute(WEBHOOKS.deliveries, asked).fetchall()) == found


_ENDPOINT = """
INSERT INTO webhook_endpoint (tenant_id, endpoint_id, url, events, description, created_at)
SELECT %(tenant_id)s, unnest(%(endpoints)s), 'https://hooks.example', '{*}', '', now()
"""
_DELIVERIES = """
INSERT INTO webhook_delivery (tenant_id, delivery_id, endpoint_id, webhook_id, type, body, status, queued_at,
    next_attempt_at, settled_at)
SELECT %(tenant_id)s, gen_random_uuid(), endpoint_id, n, 'booking.appointment.booked.v1', '{}',
    CASE WHEN n %% 1000 = 1 THEN 'failed' ELSE 'delivered' END, now(), now(), now()
FROM unnest(%(endpoints)s) AS endpoint_id, generate_series(1, 5000) AS n
"""
_MESSAGES = """
INSERT INTO message (tenant_id, message_id, cause, channel, kind, appointment_id, appointment_version, customer_id,
    starts_at, status, queued_at, next_attempt_at, expires_at)
SELECT tenant_id, gen_random_uuid(), n, CASE WHEN n %% 5 = 0 THEN 'sms' ELSE 'email' END, 'booked',
    gen_random_uuid(), 1, gen_random_uuid(), now(), CASE WHEN n %% 1000 = 1 THEN 'failed' ELSE 'sent' END, now(),
    now(), now()
FROM unnest(%(tenants)s) AS tenant_id, generate_series(1, 5000) AS n
"""
