"""One process of each service, one service after the other."""

from collections.abc import Iterator

import pytest

from integration.access.world import ROUTES, World, serving
from support.databases import Databases


@pytest.fixture(scope="module", params=list(ROUTES))
def world(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Each test of the module is run against each service."""
    with serving(request.param, databases, tmp_path_factory.mktemp(request.param)) as made:
        yield made
