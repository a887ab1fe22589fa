"""The relay as the process that it is: what stands in the outbox is what Kafka gets."""

from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from contracts.envelope import Envelope, parse_headers
from contracts.platform import Component, ComponentState, TenantStatusReported
from servicekit import outbox
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases, ServiceDatabase
from support.events import Topics, until
from support.processes import run_service, served_keys


async def test_what_each_release_has_written_becomes_the_same_message(
    broker: Broker, databases: Databases, tmp_path: Path
) -> None:
    database, tenant_id = databases.for_service("analytics"), new_id()
    older, told = status(tenant_id, 1), status(tenant_id, 2)
    headers = written_out(database, older)
    await tell_and_bury(database, told)
    minter = TokenMinter()
    with served_keys(minter) as jwks_url:
        env = broker.service_env("analytics") | {
            "database_url": database.settings.database_url.get_secret_value(),
            "jwks_url": jwks_url,
            "public_url": minter.issuer,
        }
        with run_service("analytics", "relay", tmp_path, **env):
            until(lambda: rows_of(database) == [], "the outbox is empty")
    mine = [
        message
        for message in Topics(broker.super_user()).messages(TenantStatusReported.TOPIC)
        if message.key == told.key.encode()
    ]
    before, after, buried = mine
    assert [message.value for message in mine] == [
        older.model_dump_json().encode(),
        told.model_dump_json().encode(),
        None,
    ]
    assert {name: value.decode() for name, value in before.headers} == headers
    assert [name for name, _ in after.headers] == list(headers)
    assert [name for name, _ in buried.headers] == [name for name in headers if name != "content-type"]
    sent = parse_headers(after.headers, after.value)
    assert (sent.source, sent.type, sent.subject) == ("/slotwright/analytics", told.TYPE, told.key)
    assert sent.tenant_id == tenant_id
    assert sent.event() == told
    assert len({dict(message.headers)["ce_id"] for message in mine}) == len(mine)


def status(tenant_id: UUID, generation: int) -> TenantStatusReported:
    return TenantStatusReported(
        tenant_id=tenant_id,
        component=Component.ANALYTICS,
        generation=generation,
        state=ComponentState.READY,
        reason="Provisioned",
        message="",
    )


def written_out(database: ServiceDatabase, event: TenantStatusReported) -> dict[str, str]:
    """Writes an event as the code before kit_0002 did; answers its headers."""
    envelope = Envelope(
        id=str(new_id()),
        source="/slotwright/analytics",
        type=event.TYPE,
        time=utc_now(),
        subject=event.key,
        tenant_id=event.tenant_id,
        data=event.model_dump_json().encode(),
    )
    with psycopg.connect(database.admin_url) as conn:
        conn.execute(
            "INSERT INTO outbox (shard, topic, key, headers, payload) VALUES (%s, %s, %s, %s, %s)",
            (outbox.shard_of(event.key), event.TOPIC, event.key, Jsonb(envelope.headers()), envelope.data),
        )
    return envelope.headers()


async def tell_and_bury(database: ServiceDatabase, event: TenantStatusReported) -> None:
    db = Database(database.settings, application="test")
    await db.open()
    try:
        async with db.tenant(event.tenant_id) as conn:
            await outbox.publish(conn, event)
            await outbox.bury(conn, type(event), event.key, event.tenant_id)
    finally:
        await db.close()


def rows_of(database: ServiceDatabase) -> list[tuple[int]]:
    with psycopg.connect(database.admin_url) as conn:
        return conn.execute("SELECT id FROM outbox").fetchall()
