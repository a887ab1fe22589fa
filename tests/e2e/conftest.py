"""A test that fails here shows what its cluster looked like then: the cluster goes with the test."""

from collections.abc import Generator

import pytest

from e2e.world import STANDING


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
