"""No table with tenants' rows is without a policy, and no policy lets a transaction see another tenant's rows."""

from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from servicekit.ids import new_id
from support.databases import ServiceDatabase

SERVICES = ["business", "booking", "billing", "analytics", "scheduler", "notification"]

_TABLES = """
SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
    array(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY 1) AS policies,
    pg_get_userbyid(c.relowner) AS owner,
    (SELECT array_agg(a.attname::text ORDER BY k.n) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(att, n)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.att
        WHERE i.indrelid = c.oid AND i.indisprimary) AS key
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id' AND NOT t.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""


@pytest.mark.parametrize("service", SERVICES)
def test_every_tenant_table_is_under_forced_row_level_security(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    with psycopg.connect(service_database(service).admin_url) as conn:
        tables = conn.execute(_TABLES).fetchall()
    assert len(tables) > 4
    for name, forced, policies, owner, key in tables:
        assert forced, f"{service}.{name} does not force row level security"
        assert policies, f"{service}.{name} has no policy"
        assert owner == f"{service}_owner"
        assert key[0] == "tenant_id", f"{service}.{name} is keyed by {key}"


@pytest.mark.parametrize("service", SERVICES)
def test_the_app_role_owns_nothing_and_cannot_pass_row_level_security(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    with psycopg.connect(service_database(service).admin_url) as conn:
        role = conn.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s",
            (f"{service}_app",),
        ).fetchone()
        owned = conn.execute(
            "SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = %s", (f"{service}_app",)
        ).fetchall()
    assert role == (False, False, False, False)
    assert owned == []


def _one_row(conn: psycopg.Connection, tenant_id: UUID, table: str) -> None:
    """Inserts a row made from the column types alone, with constraints out of the way."""
    columns = conn.execute(
        "SELECT column_name, udt_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND table_name = %s AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'"
        " AND column_name <> 'tenant_id' AND is_generated = 'NEVER'",
        (table,),
    ).fetchall()
    samples = {
        "uuid": "gen_random_uuid()",
        "text": "'x'",
        "int4": "1",
        "int8": "1",
        "int2": "1",
        "bool": "false",
        "jsonb": "'{}'",
        "timestamptz": "now()",
        "date": "current_date",
        "interval": "'1 hour'",
        "bytea": "'x'",
        "_uuid": "'{}'",
        "_text": "'{}'",
        "numeric": "1",
        "tstzrange": "tstzrange(now(), now() + interval '1 hour')",
    }
    names = ", ".join(["tenant_id", *(f'"{name}"' for name, _ in columns)])
    values = ", ".join([f"'{tenant_id}'", *(samples[kind] for _, kind in columns)])
    conn.execute(f"INSERT INTO {table} ({names}) VALUES ({values})".encode())


@pytest.mark.parametrize("service", SERVICES)
def test_no_row_of_another_tenant_can_be_read_changed_or_added(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    """For each table: a row of tenant A, looked for, changed, deleted and forged by a transaction of tenant B."""
    database = service_database(service)
    ours, theirs = new_id(), new_id()
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        tables = [row[0] for row in admin.execute(_TABLES).fetchall()]
        for table in tables:
            _drop_checks(admin, table)
        for table in tables:
            _one_row(admin, theirs, table)
    with psycopg.connect(database.settings.database_url.get_secret_value()) as conn:
        for table in tables:
            with conn.transaction():
                conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(ours),))
                if table != "tenants":  # who the tenants are is for every public page to look up
                    seen = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
                    assert seen == (0,), f"{service}.{table} shows another tenant's rows"
                changed = conn.execute(f"UPDATE {table} SET tenant_id = tenant_id".encode()).rowcount
                assert changed == 0, f"{service}.{table} lets another tenant's rows be changed"
                gone = conn.execute(f"DELETE FROM {table}".encode()).rowcount
                assert gone == 0, f"{service}.{table} lets another tenant's rows be deleted"
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(ours),))
                _one_row(conn, theirs, table)


def _drop_checks(admin: psycopg.Connection, table: str) -> None:
    """Foreign keys and checks are not what is tested; the policies stay."""
    rows = admin.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('f', 'c')", (table,)
    ).fetchall()
    for (name,) in rows:
        admin.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'.encode())
