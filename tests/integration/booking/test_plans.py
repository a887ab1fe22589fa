"""How PostgreSQL finds what it is asked for: a look at an hour must not read a whole past and future.

Row level security keeps operators that are not leakproof from an index, and a second policy may spoil a plan; no
test of results would notice either.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from booking.records.store import LAST
from booking.store import SQL
from booking.waitlist.store import SQL as WAITLIST
from servicekit.ids import new_id
from servicekit.queries import Queries
from support.databases import Databases, ServiceDatabase

TENANT, STAFF, OTHER = new_id(), new_id(), new_id()
CROWDED, CROWD = new_id(), [new_id() for _ in range(20)]
"""A business with a staff of twenty."""
RECORDS = Queries("booking.records")
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
_APPOINTMENTS = """
INSERT INTO appointment (tenant_id, appointment_id, status, service_id, resource_ids, customer_id, starts_at,
    ends_at, timezone, price_amount, currency, source, series_id)
SELECT t.tenant_id, gen_random_uuid(), CASE WHEN n %% 50 = 0 THEN 'pending' ELSE 'confirmed' END, t.tenant_id,
    ARRAY[t.tenant_id], t.tenant_id, start, start + interval '1 hour', 'UTC', 0, 'EUR', 'public', gen_random_uuid()
FROM t, (SELECT n, %(begin)s + n * interval '1 hour' AS start FROM generate_series(0, 4999) AS n) AS made
"""
_CUSTOMERS = """
INSERT INTO customer (tenant_id, customer_id, name, email, locale, consent_email, consent_sms)
SELECT tenant_id, tenant_id, 'Bea', 'bea@customer.example', 'en', false, false FROM t
"""
_MORE_CUSTOMERS = """
INSERT INTO customer (tenant_id, customer_id, name, email, locale, consent_email, consent_sms)
SELECT tenant_id, gen_random_uuid(), 'N' || md5(n::text), 'e' || md5(n::text) || '@customer.example', 'en', false,
    false
FROM t, generate_series(1, 5000) AS n
"""
_TENANTS = """
INSERT INTO tenants (tenant_id, slug, generation, state, record)
SELECT tenant_id, tenant_id::text, 1, 'active', '{}' FROM t
"""


_CROWD = """
INSERT INTO resource (tenant_id, resource_id, version, deleted, name, timezone, weekly_hours, exceptions)
SELECT %(tenant)s, unnest(%(crowd)s), 1, false, 'Ada', 'UTC', '[]', '[]'
"""
_CROWDS_APPOINTMENTS = """
INSERT INTO appointment (tenant_id, appointment_id, status, service_id, resource_ids, customer_id, starts_at,
    ends_at, timezone, price_amount, currency, source)
SELECT %(tenant)s, gen_random_uuid(), CASE WHEN n %% 5 = 0 THEN 'cancelled' ELSE 'confirmed' END, %(tenant)s,
    ARRAY[staff], %(tenant)s, start, start + interval '1 hour', 'UTC', 0, 'EUR', 'public'
FROM unnest(%(crowd)s) AS staff,
    (SELECT n, %(begin)s + n * interval '1 hour' AS start FROM generate_series(0, 499) AS n) AS made
"""
_TAKEN_OF_IT = """
INSERT INTO allocation (tenant_id, allocation_id, resource_id, session_id, during, state, appointment_id)
SELECT tenant_id, appointment_id, resource_ids[1], appointment_id, tstzrange(starts_at, ends_at),
    CASE status WHEN 'cancelled' THEN 'released' ELSE 'confirmed' END, appointment_id
FROM appointment WHERE tenant_id = %(tenant)s
"""


@pytest.fixture(scope="module")
def database(databases: Databases) -> ServiceDatabase:
    """Five thousand hours that are taken, and appointments of two businesses, known to the planner."""
    made = databases.for_service("booking")
    with psycopg.connect(made.admin_url, autocommit=True) as conn:
        for statement in (_STAFF, _TAKEN, _ELSEWHERE):
            conn.execute(statement.encode(), {"tenant": TENANT, "staff": STAFF, "begin": BEGIN})
        conn.execute("CREATE TEMPORARY TABLE t AS SELECT unnest(%s) AS tenant_id", ([TENANT, OTHER],))
        for statement in (_TENANTS, _CUSTOMERS, _MORE_CUSTOMERS, _APPOINTMENTS):
            conn.execute(statement.encode(), {"begin": BEGIN})
        conn.execute("INSERT INTO t VALUES (%s)", (CROWDED,))
        conn.execute("DELETE FROM t WHERE tenant_id <> %s", (CROWDED,))
        for statement in (_TENANTS, _CUSTOMERS, _MORE_CUSTOMERS):
            conn.execute(statement.encode())
        for statement in (_CROWD, _CROWDS_APPOINTMENTS, _TAKEN_OF_IT):
            conn.execute(statement.encode(), {"tenant": CROWDED, "crowd": CROWD, "begin": BEGIN})
        conn.execute("ANALYZE")
    return made


@pytest.mark.parametrize("planned_once", [False, True])
@pytest.mark.parametrize("statement", ["busy", "loads"])
def test_a_look_at_an_hour_reads_few_rows(
    database: ServiceDatabase, statement: str, *, planned_once: bool
) -> None:
    """By a plan for these values, and by the one for all values that a pipelined transaction keeps."""
    hour = BEGIN + timedelta(hours=4900)
    values = {
        "tenant_id": TENANT,
        "resource_ids": [STAFF],
        "begin": hour,
        "end": hour + timedelta(hours=1),
        "now": BEGIN,
        "but": None,
    }
    count, read = looked_at(database, getattr(SQL, statement), values, planned_once=planned_once)
    assert count == (2 if statement == "busy" else 1)
    # What began in the seven days before it; of other calendars, what ends after it, which is less here.
    assert read <= 7 * 24


_EXPLAIN = b"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
_NAMED = re.compile(rb"%\((\w+)\)s")
_TYPES = {UUID: b"uuid", list: b"uuid[]", datetime: b"timestamptz", type(None): b"uuid"}
_EARLIEST_FIRST = SQL.appointments_page + b" " + SQL.earliest_first
_LATEST_FIRST = SQL.appointments_page + b" " + SQL.latest_first
_PAGE = dict.fromkeys(
    ("end", "status", "resource_id", "customer_id", "series_id", "after_time", "after_id"), None
)


@pytest.mark.parametrize(
    ("statement", "values", "most"),
    [
        (_EARLIEST_FIRST, _PAGE | {"begin": BEGIN + timedelta(hours=4900), "limit": 50}, 50),
        (_LATEST_FIRST, _PAGE | {"begin": None, "end": BEGIN + timedelta(hours=100), "limit": 50}, 50),
        (RECORDS.export_appointments, {"begin": BEGIN, "end": BEGIN + timedelta(hours=10)}, 10),
        (
            SQL.future_confirmed,
            {
                "now": BEGIN + timedelta(hours=4800),
                "after_time": BEGIN + timedelta(hours=4900),
                "after_id": UUID(int=0),
                "most": 50,
            },
            55,
        ),
        (SQL.rest_of_series, {"series_id": new_id(), "begin": BEGIN}, 0),
        (SQL.appointment, {"appointment_id": new_id()}, 0),
        (SQL.lock_appointment, {"appointment_id": new_id()}, 0),
    ],
)
def test_a_business_finds_its_appointments_by_an_index_beside_the_workers_policy(
    database: ServiceDatabase, statement: bytes, values: dict[str, Any], most: int
) -> None:
    """Of five thousand, and as many of another business's, no more than it asks for."""
    _count, read = looked_at(database, statement, values | {"tenant_id": TENANT}, of="appointment")
    assert read <= most


@pytest.mark.parametrize("of", ["appointment", "allocation", "customer"])
def test_a_feed_reads_its_staff_members_appointments(database: ServiceDatabase, of: str) -> None:
    """Cancelled ones too, and none of the nineteen others'."""
    values = {
        "tenant_id": CROWDED,
        "resource_id": CROWD[7],
        "begin": BEGIN + timedelta(hours=100),
        "end": BEGIN + timedelta(days=460),
    }
    count, read = looked_at(database, RECORDS.feed_appointments, values, of=of)
    assert count == 400
    assert read <= 500


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (SQL.sweep_allocations, "allocation_held_until"),
        (SQL.drop_released_holds, "allocation_held_until"),
        (SQL.drop_released_appointments, "allocation_released_appointment"),
        (SQL.drop_reminders, "reminder_by_time"),
    ],
)
def test_what_is_dropped_is_found_by_an_index(
    database: ServiceDatabase, statement: bytes, index: str
) -> None:
    """And so is a hold that runs out, among those that were given back."""
    values = {"before": BEGIN, "limit": 10, "now": BEGIN}
    shown = plan_of(database, statement, values, worker=True)
    assert index in shown
    assert " <" in shown.partition(index)[2].partition("Index Cond:")[2].partition("\n")[0]


@pytest.mark.parametrize(
    ("begins", "count", "most"),
    [
        ("BEA", 1, 1),
        ("Nc4ca4238a0b923820dcc", 1, 1),  # how the md5 of 1 begins
        ("ec4ca4238a0b923820dcc", 1, 1),
        ("nobody", 0, 0),
        ("n", 50, 60),
    ],
)
def test_a_customer_is_found_by_an_index(
    database: ServiceDatabase, begins: str, count: int, most: int
) -> None:
    """Of five thousand, and as many of another business's; where most of them are meant, a page is."""
    values = {"tenant_id": TENANT, "begins": begins, "last": LAST, "after": None, "limit": 50}
    found, read = looked_at(database, RECORDS.customers_found, values)
    assert found == count
    assert read <= most


def test_the_loop_reads_only_what_has_run_out(database: ServiceDatabase) -> None:
    """Of ten thousand appointments, of which two hundred wait, those of the first hundred hours."""
    values = {"now": BEGIN + timedelta(hours=100), "after_time": BEGIN, "after_id": UUID(int=0), "most": 100}
    assert looked_at(database, SQL.unconfirmed, values, of="appointment", worker=True) == (6, 6)


@pytest.mark.parametrize(
    ("statement", "index"),
    [(SQL.held_by_client, "hold_by_client"), (WAITLIST.in_line_of_client, "waitlist_entry_by_client")],
)
def test_what_a_client_has_is_found_by_an_index(databases: Databases, statement: bytes, index: str) -> None:
    """Row level security keeps operators that are not leakproof from one, which no result would show.

    Without rows, so that nothing but the indexes decides.
    """
    values = {"tenant_id": TENANT, "client": b"c" * 16, "now": BEGIN}
    shown = plan_of(databases.for_service("booking"), statement, values)
    assert index in shown
    assert "client = " in shown.partition("Index Cond:")[2].partition("\n")[0]


def looked_at(
    database: ServiceDatabase,
    statement: bytes,
    values: dict[str, Any],
    *,
    of: str = "",
    worker: bool = False,
    planned_once: bool = False,
) -> tuple[int, int]:
    """How many rows are found, and how many were read for them at most: of each table, or of one."""
    with psycopg.connect(database.settings.conninfo()) as conn:
        enter(conn, values, worker=worker)
        if planned_once:
            plan = conn.execute(_EXPLAIN + prepared(conn, statement, values))
        else:
            plan = conn.execute(_EXPLAIN + statement, values)
        ((found,),) = plan.fetchall()
        count = conn.execute(statement, values).rowcount
    read = [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in _scans(found[0]["Plan"])
        if of in {"", node["Relation Name"]}
    ]
    assert read, found
    return count, int(max(read))


def prepared(conn: psycopg.Connection[Any], statement: bytes, values: dict[str, Any]) -> bytes:
    """The statement that runs it by its plan for all values."""
    names = list(dict.fromkeys(_NAMED.findall(statement)))
    types = b", ".join(_TYPES[type(values[name.decode()])] for name in names)
    numbered = _NAMED.sub(lambda name: b"$%d" % (names.index(name[1]) + 1), statement)
    conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    conn.execute(b"PREPARE asked (" + types + b") AS " + numbered)
    given = sql.SQL(", ").join(sql.Literal(values[name.decode()]) for name in names)
    return sql.SQL("EXECUTE asked({})").format(given).as_bytes(conn)


def plan_of(
    database: ServiceDatabase, statement: bytes, values: dict[str, Any], *, worker: bool = False
) -> str:
    """How it would be done, by an index where there is one."""
    with psycopg.connect(database.settings.conninfo()) as conn:
        enter(conn, values, worker=worker)
        conn.execute("SET LOCAL enable_seqscan = off")
        plan = conn.execute(b"EXPLAIN " + statement, values).fetchall()
    return "\n".join(line for (line,) in plan)


def enter(conn: psycopg.Connection[Any], values: dict[str, Any], *, worker: bool) -> None:
    """The scope of a transaction, as servicekit.db sets it."""
    scope = ("", "on") if worker else (str(values["tenant_id"]), "")
    conn.execute("SELECT set_config('app.tenant_id', %s, true), set_config('app.worker', %s, true)", scope)


def _scans(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = [node] if "Relation Name" in node else []
    for child in node.get("Plans", ()):
        found += _scans(child)
    return found
