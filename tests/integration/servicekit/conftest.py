"""A service's database, and the operator's dead letters; each file that looks at those has a Kafka of its own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import pytest

from integration.servicekit.desk import Command, Environment, steward_of
from integration.servicekit.shop import TOPIC, Shop
from servicekit.db import Database
from servicekit.redrive import DeadLetterBox
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.databases import Databases, ServiceDatabase
from support.events import Topics
from support.logs import logs_kept_apart


@pytest.fixture
def database(databases: Databases) -> ServiceDatabase:
    return databases.for_service("analytics")


@pytest.fixture
async def db(database: ServiceDatabase) -> AsyncIterator[Database]:
    made = Database(database.settings, application="test")
    await made.open()
    yield made
    await made.close()


@pytest.fixture(scope="module")
def steward(broker: Broker) -> Environment:
    """The environment of a user with the operator's rights, as part_rules has them, and no more."""
    return steward_of(broker)


@pytest.fixture
def command(steward: Environment) -> Command:
    return Command(steward)


@pytest.fixture
def box(steward: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeadLetterBox]:
    for name, value in steward.items():
        monkeypatch.setenv(name, value)
    with closing(DeadLetterBox(KafkaSettings())) as made:
        yield made


@pytest.fixture
async def shop(db: Database, broker: Broker) -> AsyncIterator[Shop]:
    kafka = broker.settings("analytics")
    made = Shop(db, kafka, Topics(broker.super_user()))
    made.topics.pass_over(made.group, TOPIC)
    with logs_kept_apart():
        yield made
