"""How PostgreSQL finds what is taken: a look at an hour must not read a resource's whole past and future.

Row level security keeps operators that are not leakproof from an index, which no test of results would notice.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from booking.store import SQL
from servicekit.ids import new_id
from support.databases import Databases, ServiceDatabase

TENANT, STAFF = new_id(), new_id()
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)

_STAFF = """
INSERT INTO resource (tenant_id, resource_id, version, deleted, name, timezone, weekly_hours, exceptions)
VALUES (%(tenant)s, %(staff)s, 1, false, 'Ada', 'UTC', '[]', '[]')
"""
_TAKEN = """
INSERT INTO allocation (tenant_id, allocation_id, resource_id, session_id, during, state, hold_id)
SELECT %(tenant)s, id, %(staff)s, id, tstzrange(start, start + interval '1 hour'), 'confirmed', id
FROM (SELECT gen_random_uuid() AS id, %(begin)s + n * interval '1 hour' AS start FROM generate_series(0, 4999) AS n)
"""
_ELSEWHERE = """
INSERT INTO external_busy (tenant_id, busy_id, resource_id, during, source)
SELECT %(tenant)s, gen_random_uuid(), %(staff)s, tstzrange(start, start + interval '1 hour'), 'calendar'
FROM (SELECT %(begin)s + n * interval '1 hour' AS start FROM generate_series(0, 4999) AS n)
"""


@pytest.fixture(scope="module")
def database(databases: Databases) -> ServiceDatabase:
    """Five thousand hours that are taken, and known to the planner."""
    made = databases.for_service("booking")
    with psycopg.connect(made.admin_url, autocommit=True) as conn:
        for statement in (_STAFF, _TAKEN, _ELSEWHERE):
            conn.execute(statement.encode(), {"tenant": TENANT, "staff": STAFF, "begin": BEGIN})
        conn.execute("ANALYZE")
    return made


@pytest.mark.parametrize("statement", ["busy", "loads"])
def test_a_look_at_an_hour_reads_few_rows(database: ServiceDatabase, statement: str) -> None:
    hour = BEGIN + timedelta(hours=4900)
    values = {
        "tenant_id": TENANT,
        "resource_ids": [STAFF],
        "begin": hour,
        "end": hour + timedelta(hours=1),
        "now": BEGIN,
        "but": None,
    }
    with psycopg.connect(database.settings.conninfo()) as conn:
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(TENANT),))
        plan = conn.execute(b"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + getattr(SQL, statement), values)
        ((found,),) = plan.fetchall()
        assert conn.execute(getattr(SQL, statement), values).rowcount == (2 if statement == "busy" else 1)
    read = [node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in _scans(found[0]["Plan"])]
    assert read
    # What began in the seven days before it; of other calendars, what ends after it, which is less here.
    assert max(read) <= 7 * 24


def _scans(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = [node] if "Relation Name" in node else []
    for child in node.get("Plans", ()):
        found += _scans(child)
    return found
