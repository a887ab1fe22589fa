"""One operator at a time: who may go on, who waits, and what that looks like from outside."""

import time

import pytest

from support.operator_world import OperatorWorld
from tenant_operator.leader import LEASE_SECONDS


@pytest.mark.slow
def test_cut_off_from_the_api_server_it_ends_before_its_lease_does(still_world: OperatorWorld) -> None:
    """Takes most of the time that the Lease lasts. Requests hang, as on a line whose packets are dropped."""
    with still_world.operator() as running:
        before = time.monotonic()
        with still_world.api.silent():
            assert running.process.wait(60) == 1
            took = time.monotonic() - before
    assert took < LEASE_SECONDS
    assert "the Lease could not be renewed in time" in running.log.read_text("utf-8")
