"""One business process for the tests of a module; each test makes businesses of its own."""

from collections.abc import Iterator

import httpx
import pytest

from devstack.local_http import NO_TLS
from integration.business.world import World
from servicekit.testing.tokens import TokenMinter
from support.databases import Databases
from support.processes import run_service, served_keys


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """business in its role `serve`."""
    database = databases.for_service("business")
    minter = TokenMinter()
    with (
        served_keys(minter) as jwks_url,
        run_service(
            "business",
            "serve",
            tmp_path_factory.mktemp("business"),
            database_url=database.settings.database_url.get_secret_value(),
            database_pool_size="8",
            jwks_url=jwks_url,
            public_url=minter.issuer,
        ) as running,
        httpx.Client(verify=NO_TLS, timeout=30, limits=httpx.Limits(max_connections=64)) as client,
    ):
        yield World(running.url, database, minter, client)
