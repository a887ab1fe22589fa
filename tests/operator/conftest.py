"""One API server and one operator for this folder's tests; each test makes plans and tenants of its own."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from support.api_server import ApiServer
from support.broker import Broker
from support.operator_world import OperatorWorld
from support.processes import Running


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A Kafka of its own: these tests leave what nobody can read on topics that others read whole."""
    with closing(Broker()) as made:
        yield made


@pytest.fixture(scope="session")
def still_world(
    api_server: ApiServer, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> OperatorWorld:
    """API server and Kafka, without an operator."""
    return OperatorWorld(api_server, broker, tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="module")
def operator_process(still_world: OperatorWorld) -> Iterator[Running]:
    """The operator; there is one at a time, as a second waits for the Lease."""
    with still_world.operator() as running:
        yield running


@pytest.fixture(scope="module")
def world(still_world: OperatorWorld, operator_process: Running) -> OperatorWorld:
    """With the operator running."""
    assert operator_process.process.poll() is None
    return still_world
