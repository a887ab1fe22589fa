"""The operator's dead letters, for the tests that look at them; each such file has a Kafka of its own."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from integration.servicekit.desk import Command, Environment, steward_of
from servicekit.redrive import DeadLetterBox
from servicekit.settings import KafkaSettings
from support.broker import Broker


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
