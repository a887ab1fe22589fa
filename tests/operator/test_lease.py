"""One operator at a time: who may go on, who waits, and what that looks like from outside."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devstack.local_http import LOCAL_HTTP
from support.operator_world import OperatorWorld, eventually
from support.processes import Running

_LEASE_SECONDS = 15
_PATIENCE = 30
"""How many seconds a busy machine has for an answer."""


@pytest.mark.slow
def test_cut_off_from_the_api_server_it_ends_before_its_lease_does(still_world: OperatorWorld) -> None:
    """Takes the time that the Lease lasts. Requests hang, as on a line whose packets are dropped."""
    with _leading(still_world) as running, still_world.operator() as second:
        before = time.monotonic()
        with still_world.api.silent():
            assert running.process.wait(60) == 1
            took = time.monotonic() - before
            eventually(lambda: not _is_ready(second), "the second one to see that it cannot see the Lease")
        eventually(lambda: _leads(second) and _is_ready(second), "the second one to take over")
    assert took < _LEASE_SECONDS
    assert "the Lease could not be renewed in time" in running.log.read_text("utf-8")


@pytest.mark.slow
def test_a_second_one_is_ready_while_it_waits_and_takes_over(still_world: OperatorWorld) -> None:
    """Takes two starts of the operator."""
    with _leading(still_world) as first, still_world.operator() as second:
        assert [_leads(running) for running in (first, second)] == [True, False]
        assert _is_ready(second)
        first.process.terminate()
        eventually(lambda: _leads(second) and _is_ready(second), "the second one to take over")
        assert still_world.provisioned(still_world.new_plan())


@contextmanager
def _leading(world: OperatorWorld) -> Iterator[Running]:
    """One that leads: ready it is before, where an operator that is gone has not given its Lease back."""
    with world.operator(LEASE_SECONDS=str(_LEASE_SECONDS)) as running:
        eventually(lambda: _leads(running), "the first one to lead")
        yield running


def _is_ready(running: Running) -> bool:
    return LOCAL_HTTP.get(f"{running.url}/readyz", timeout=_PATIENCE).status_code == 200


def _leads(running: Running) -> bool:
    return (
        "slotwright_operator_leading 1.0" in LOCAL_HTTP.get(f"{running.url}/metrics", timeout=_PATIENCE).text
    )
