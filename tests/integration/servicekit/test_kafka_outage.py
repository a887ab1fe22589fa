"""A Kafka that goes away for longer than clients wait, or comes back with less: services go on by themselves.

The Kafka is one of the test's own, as it is killed.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ScramMechanism, UserScramCredentialDeletion

from contracts.platform import Component, ComponentState, TenantChanged, TenantStatusReported
from devstack.kafka import create_user
from servicekit import outbox
from servicekit.db import Database
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import ServiceDatabase
from support.events import Topics, until
from support.processes import Running, run_service, served_keys
from support.tenants import new_tenant

pytestmark = pytest.mark.slow


@pytest.fixture
def broker() -> Iterator[Broker]:
    with closing(Broker()) as made:
        yield made


@pytest.fixture
def analytics(
    broker: Broker, database: ServiceDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    minter = TokenMinter()
    with served_keys(minter) as jwks_url:
        env = broker.service_env("analytics") | {
            "database_url": database.settings.database_url.get_secret_value(),
            "jwks_url": jwks_url,
            "public_url": minter.issuer,
        }
        with run_service("analytics", "all", tmp_path_factory.mktemp("analytics"), **env) as running:
            yield running


async def test_what_is_written_while_kafka_is_away_is_told_once_it_is_back(
    broker: Broker, database: ServiceDatabase, analytics: Running
) -> None:
    """Takes about 45 s: the relay's client gives a message up after 30 s, and goes on from there."""
    assert_answered(broker, new_tenant())
    broker.kill()
    tenant = new_tenant()
    await publish(database, status_of(tenant))
    until(lambda: "event refused" in analytics.log.read_text("utf-8"), "the client gives up", seconds=90)
    broker.start()
    until(lambda: told(broker, tenant), "what was written meanwhile is told", seconds=90)
    assert_answered(broker, new_tenant())


def test_a_kafka_that_has_lost_everything_is_written_to_again(broker: Broker, analytics: Running) -> None:
    """Takes about 20 s: two starts of Kafka. Its new log knows nothing of what the relay's client has written."""
    assert_answered(broker, new_tenant())
    broker.kill(lose_data=True)
    broker.start()
    assert_answered(broker, new_tenant())
    assert analytics.process.poll() is None


async def test_rights_that_come_later_are_waited_for(
    broker: Broker, database: ServiceDatabase, tmp_path: Path
) -> None:
    """Takes a start of Kafka. In a new cluster a service may run before the operator has given it its rights."""
    admin, login = AdminClient(dict(broker.super_user())), ("analytics", "later")
    create_user(admin, *login, ())
    env = broker.service_env("booking") | dict(zip(("KAFKA_USERNAME", "KAFKA_PASSWORD"), login, strict=True))
    env |= {"database_url": database.settings.database_url.get_secret_value()}
    tenant = new_tenant()
    await publish(database, status_of(tenant))
    with run_service("analytics", "relay", tmp_path, **env) as running:
        until(lambda: "event refused" in running.log.read_text("utf-8"), "the relay is refused")
        create_user(admin, *login)
        until(lambda: told(broker, tenant), "what was written meanwhile is told")
        assert running.process.poll() is None


def test_the_removal_of_a_user_takes_no_other_along(broker: Broker) -> None:
    """Takes about 15 s: two starts of Kafka. The name's hash is 0, so that Kafka applies its removal first."""
    until(broker.has_snapshot, "Kafka's first snapshot of its metadata")
    admin, name = AdminClient(dict(broker.super_user())), "f5a5a608"
    create_user(admin, name, "secret", ())
    removal = UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512)
    for removed in admin.alter_user_scram_credentials([removal]).values():
        removed.result(30)
    broker.kill()
    broker.start()
    assert TenantChanged.TOPIC in admin.list_topics(timeout=10).topics


def assert_answered(broker: Broker, tenant: TenantChanged) -> None:
    """The service follows the tenants topic, and what it answers arrives."""
    Topics(broker.super_user()).publish(tenant)
    until(lambda: told(broker, tenant), "the service has answered", seconds=90)


def told(broker: Broker, tenant: TenantChanged) -> bool:
    events = Topics(broker.super_user()).events(TenantStatusReported.TOPIC, tenant.tenant_id)
    return any(isinstance(event, TenantStatusReported) for event in events)


def status_of(tenant: TenantChanged) -> TenantStatusReported:
    return TenantStatusReported(
        tenant_id=tenant.tenant_id,
        component=Component.ANALYTICS,
        generation=1,
        state=ComponentState.READY,
        reason="Provisioned",
        message="Written while Kafka was away.",
    )


async def publish(database: ServiceDatabase, event: TenantStatusReported) -> None:
    db = Database(database.settings, application="test")
    await db.open()
    try:
        async with db.tenant(event.tenant_id) as conn:
            await outbox.publish(conn, "analytics", event)
    finally:
        await db.close()
