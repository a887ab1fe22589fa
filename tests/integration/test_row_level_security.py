"""No table with tenants' rows is without a policy, and no policy lets a transaction see another tenant's rows.

The tables are found in the catalogue of each service's newest schema, so that a new one is tested as it comes.
"""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from servicekit.ids import new_id
from support.databases import ServiceDatabase

SERVICES = ["auth", "business", "booking", "billing", "analytics", "scheduler", "notification"]

OF_NO_TENANT = {
    "alembic_version": "the schema's own",
    "outbox": "events on their way; only the relay sees it",
    "inbox": "ids of events",
    "auth.users": "one person may work at several businesses",
    "auth.password_reset": "a user's",
    "auth.signup": "its business is still to come",
    "auth.attempt": "counts by account and network",
    "auth.signing_key": "the platform's",
    "scheduler.read_until": "how far topics have been read",
    "billing.stripe_event": "names a customer of Stripe's, who may be nobody's",
}
"""The tables without a tenant_id, and why. Another one is either a mistake or belongs here."""

ACROSS_TENANTS = {"account_customer"}
"""Unique keys without the tenant: a customer of Stripe's is one tenant's only."""

WITH_DEFINERS_RIGHTS = {"scheduler": {"forget_closed_timers"}}
"""Functions that do with the owner's rights what the app may not, and take nothing from their caller."""

_TABLES = """
SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
    array(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY 1) AS policies,
    pg_get_userbyid(c.relowner) AS owner,
    (SELECT array_agg(a.attname::text ORDER BY k.n) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(att, n)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.att
        WHERE i.indrelid = c.oid AND i.indisprimary) AS key
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id' AND NOT t.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
_OTHER_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relnamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id'
        AND c.relkind IN ('r', 'p') AND NOT t.attisdropped)
"""
_FOREIGN_KEYS_WITHOUT_THE_TENANT = """
SELECT f.conname FROM pg_constraint f
JOIN pg_attribute mine ON mine.attrelid = f.conrelid AND mine.attname = 'tenant_id'
JOIN pg_attribute theirs ON theirs.attrelid = f.confrelid AND theirs.attname = 'tenant_id'
WHERE f.contype = 'f' AND NOT EXISTS (SELECT FROM unnest(f.conkey, f.confkey) AS pair(a, b)
    WHERE pair.a = mine.attnum AND pair.b = theirs.attnum)
"""
_UNIQUE_KEYS_WITHOUT_THE_TENANT = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_attribute t ON t.attrelid = i.indrelid AND t.attname = 'tenant_id'
WHERE c.relnamespace = 'public'::regnamespace AND (i.indisunique OR i.indisexclusion)
    AND NOT t.attnum = ANY (i.indkey)
"""
_PARTITIONS = """
SELECT c.oid::regclass::text, c.relrowsecurity AND c.relforcerowsecurity,
    has_table_privilege(%s, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relispartition AND c.relnamespace = 'public'::regnamespace
"""
_DEFINERS_RIGHTS = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
_RIGHTS_PAST_ROWS = """
SELECT table_name, privilege_type FROM information_schema.table_privileges
WHERE grantee IN (%s, 'PUBLIC') AND table_schema = 'public'
    AND privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
"""


def test_every_service_with_a_database_is_looked_at() -> None:
    services = Path(__file__).parents[2] / "services"
    assert {path.parts[-3] for path in services.glob("*/src/*/migrations/versions")} == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_table_of_no_tenant_is_a_known_one(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    with psycopg.connect(service_database(service).admin_url) as conn:
        names = [name for (name,) in conn.execute(_OTHER_TABLES).fetchall()]
    assert [name for name in names if not OF_NO_TENANT.keys() & {name, f"{service}.{name}"}] == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_key_reaches_across_tenants(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    """By a foreign key without the tenant a row could hang on another's; by a unique one, it would tell of it."""
    with psycopg.connect(service_database(service).admin_url) as conn:
        assert conn.execute(_FOREIGN_KEYS_WITHOUT_THE_TENANT).fetchall() == []
        unique = conn.execute(_UNIQUE_KEYS_WITHOUT_THE_TENANT).fetchall()
    assert {name for (name,) in unique} <= ACROSS_TENANTS


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
        others = conn.execute(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole",
            (f"{service}_app",),
        ).fetchall()
        assert conn.execute(_RIGHTS_PAST_ROWS, (f"{service}_app",)).fetchall() == []
        definers = {name for (name,) in conn.execute(_DEFINERS_RIGHTS).fetchall()}
    assert definers == WITH_DEFINERS_RIGHTS.get(service, set())
    assert role == (False, False, False, False)
    assert owned == []
    assert others == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_part_of_a_table_is_reached_through_the_whole_only(
    service: str, service_database: Callable[[str], ServiceDatabase]
) -> None:
    """A right on a partition would pass the policies of its parent."""
    with psycopg.connect(service_database(service).admin_url) as conn:
        for name, forced, open_to_app in conn.execute(_PARTITIONS, (f"{service}_app",)).fetchall():
            assert forced, f"{service}.{name} does not force row level security"
            assert not open_to_app, f"{service}.{name} can be reached beside its parent"


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
        "time": "localtime",
        "interval": "'1 hour'",
        "bytea": "'x'",
        "_date": "'{}'",
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
    with psycopg.connect(database.settings.database_url.get_secret_value(), autocommit=True) as conn:
        for table in tables:
            with conn.transaction():
                conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(ours),))
                if table != "tenants":  # who the tenants are is for every public page to look up
                    seen = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
                    assert seen == (0,), f"{service}.{table} shows another tenant's rows"
                    locked = conn.execute(f"SELECT FROM {table} FOR UPDATE".encode()).rowcount
                    assert locked == 0, f"{service}.{table} lets another tenant's rows be locked"
                changed = conn.execute(f"UPDATE {table} SET tenant_id = tenant_id".encode()).rowcount
                assert changed == 0, f"{service}.{table} lets another tenant's rows be changed"
                gone = conn.execute(f"DELETE FROM {table}".encode()).rowcount
                assert gone == 0, f"{service}.{table} lets another tenant's rows be deleted"
            for scope in (str(ours), ""):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                    conn.execute("SELECT set_config('app.tenant_id', %s, true)", (scope,))
                    _one_row(conn, theirs, table)
            if table != "tenants":
                seen = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
                assert seen == (0,), f"{service}.{table} shows rows to a transaction of no tenant"
        with conn.transaction():
            conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(theirs),))
            for table in set(tables) - {"tenants"}:
                seen = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
                assert seen == (1,), (
                    f"{service}.{table} hides a tenant's own row, so that this test shows nothing"
                )


def _drop_checks(admin: psycopg.Connection, table: str) -> None:
    """Foreign keys and checks are not what is tested; the policies stay."""
    rows = admin.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('f', 'c')", (table,)
    ).fetchall()
    for (name,) in rows:
        admin.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'.encode())
