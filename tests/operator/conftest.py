"""One API server and one operator for this folder's tests; each test makes plans and tenants of its own."""

from collections.abc import Generator, Iterator
from contextlib import closing

import pytest

from support.api_server import ApiServer
from support.broker import Broker
from support.operator_world import OperatorWorld
from support.processes import Running

_TOLD = 6000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what its operator said last."""
    report = yield
    if report.failed and call.when == "call" and isinstance(item, pytest.Function):
        worlds = [value for value in item.funcargs.values() if isinstance(value, OperatorWorld)]
        logs = {log for world in worlds for log in world.folder.glob("*.log")}
        for log in sorted(logs, key=lambda path: path.stat().st_mtime)[-2:]:
            report.sections.append((log.name, log.read_text("utf-8")[-_TOLD:]))
    return report


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
