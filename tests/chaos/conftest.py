"""What a run is given, and where its history and verdict are kept: SEED and CHAOS_DIR in the environment."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devstack.kafka import Door
from devstack.processes import free_port
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.mail import Mailpit
from support.processes import served_keys

SEED = os.environ.get("SEED", "6")


@pytest.fixture(scope="session")
def seed() -> str:
    return SEED


@pytest.fixture(scope="session")
def kept() -> Path:
    """The folder of this seed's runs."""
    return Path(os.environ.get("CHAOS_DIR", "build/chaos")) / SEED


@pytest.fixture(scope="module")
def own_databases() -> Iterator[Databases]:
    """A PostgreSQL that may crash: what it has acknowledged is on its disk."""
    with closing(Databases(settings={})) as made:
        yield made


@pytest.fixture(scope="module")
def mailpit() -> Iterator[Mailpit]:
    """A mail server of the run's own, which forgets no mail; by itself it keeps the newest 500."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MP_MAX_MESSAGES", "0")
        with closing(Mailpit()) as made:
            yield made


@pytest.fixture(scope="session")
def minter() -> TokenMinter:
    return TokenMinter()


@pytest.fixture(scope="session")
def jwks_url(minter: TokenMinter) -> Iterator[str]:
    with served_keys(minter) as url:
        yield url


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A Kafka that may be killed; these services reach it through what a world puts there, see world.gates."""
    services = ("booking", "business", "scheduler", "notification")
    doors = {name: Door(name.upper(), free_port(), free_port()) for name in services}
    with closing(Broker(doors)) as made:
        yield made
