"""One billing process and one Stripe stand-in for the tests of a module."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.billing.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both processes running; a test that stops one starts it again."""
    folder = Path(tmp_path_factory.mktemp("billing"))
    made = World(os.environ["T_ADMIN"], os.environ["T_APP"], {"bootstrap": os.environ["T_KAFKA"]}, folder)
    try:
        made.start_stripe()
        made.start_billing()
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def _restored(world: World) -> Iterator[None]:
    """A test that fails half way leaves the next one a whole world."""
    yield
    world.restore()
