"""A scheduler killed around its transaction fires each timer once, in the end.

Each starts three processes, and waits for the killed one's session at Kafka to end.
"""

import signal
from datetime import timedelta

import pytest

from integration.scheduler.world import World, requested
from servicekit.clock import utc_now

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("fault", ["scheduler.taken", "scheduler.fired"])
def test_a_timer_fires_once_though_its_process_is_killed(world: World, fault: str) -> None:
    """Between taking the timers and the commit, and right after it."""
    with world.run():
        tenant = world.tenant()
        requests = [requested(tenant.tenant_id, utc_now() + timedelta(hours=1)) for _ in range(20)]
        for request in requests:
            world.publish(request)
        world.await_timers(tenant.tenant_id, len(requests))
    world.change("UPDATE timer SET due_at = now() WHERE tenant_id = %s", tenant.tenant_id)
    assert world.run_until_killed(fault) == -signal.SIGKILL
    left = world.rows("SELECT 1 FROM timer WHERE tenant_id = %s AND due_at IS NOT NULL", tenant.tenant_id)
    assert len(left) == (len(requests) if fault == "scheduler.taken" else 0)
    with world.run():
        world.await_due(tenant.tenant_id, len(requests))
        world.settle(tenant.tenant_id)
    fired = [event.reminder_id for event in world.due(tenant.tenant_id)]
    assert {request.reminder_id for request in requests} <= set(fired)
    assert len(fired) == len(set(fired)) == len(requests) + 1
