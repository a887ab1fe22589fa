"""The cluster of all tests here; a test that fails shows what it looked like then, as it goes with the tests."""

import secrets
from collections.abc import Generator, Iterator

import pytest

from e2e.world import STANDING, World, made_world


@pytest.fixture(scope="session")
def shared_world() -> Iterator[World]:
    """As the file before left it."""
    with made_world(f"slotwright-e2e-{secrets.token_hex(3)}") as made:
        yield made


@pytest.fixture(scope="module")
def empty_world(shared_world: World) -> World:
    """With nothing of ours in it but the images in its node."""
    shared_world.empty()
    return shared_world


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds pods, events and logs to the report."""
    report = yield
    if report.failed and call.when in {"setup", "call"} and isinstance(item, pytest.Function):
        for ground in STANDING:
            report.sections += ground.state()
    return report
