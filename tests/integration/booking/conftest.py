"""One booking process for the tests of a module; each test makes businesses of its own."""

from collections.abc import Iterator

import pytest

from integration.booking.world import World, made_world
from support.databases import Databases


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """booking in its role `serve`; what it publishes stays in its outbox, where tests look."""
    with made_world(databases, "serve", tmp_path_factory.mktemp("booking")) as made:
        yield made
