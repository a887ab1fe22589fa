"""Fixtures that every test can ask for; the real parts are started once a session, by the first who asks."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import Scheduling

from support.api_server import ApiServer
from support.broker import Broker
from support.databases import Databases, ServiceDatabase
from support.mail import Mailpit
from support.scheduling import ByServers, longest_first


def pytest_configure() -> None:
    """What a test logs of an exception is the usual traceback; structlog's own takes seconds."""
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


@pytest.hookimpl(optionalhook=True)  # without xdist there is none
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return ByServers(config, log)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The session's PostgreSQL."""
    with closing(Databases()) as made:
        yield made


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The session's Kafka."""
    with closing(Broker()) as made:
        yield made


@pytest.fixture(scope="module")
def own_broker() -> Iterator[Broker]:
    """A Kafka that no other file's tests write to; a file that wants it names its own fixture `broker` after it."""
    with closing(Broker()) as made:
        yield made


@pytest.fixture(scope="session")
def mailpit() -> Iterator[Mailpit]:
    """The session's SMTP server."""
    with closing(Mailpit()) as made:
        yield made


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """A real API server with the CRDs and the operator's rights."""
    with closing(ApiServer()) as made:
        yield made


@pytest.fixture
def service_database(databases: Databases) -> Callable[[str], ServiceDatabase]:
    """Makes a database of a service, at its newest schema, for this test alone."""
    return databases.for_service
