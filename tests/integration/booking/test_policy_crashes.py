"""What is left when the process dies that has reminders follow a changed policy: what was committed, once each.

The process is killed by SIGKILL at a named point (servicekit.faults), before a batch is committed and right behind
it. Its loops come with booking's consumers, so that it needs a broker.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.booking import Channel, ReminderRequested, ReminderWithdrawn
from contracts.business import PolicyChanged, ReminderRule
from integration.booking.world import World, made_world, tomorrow_noon, wish
from servicekit.ids import new_id
from support.broker import Broker
from support.databases import Databases
from support.events import Topics, until
from support.processes import run_service

pytestmark = pytest.mark.slow
APPOINTMENTS = 60
BATCH = 50


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """booking's routes; the loops run in processes of the tests' own."""
    with made_world(databases, "serve", tmp_path_factory.mktemp("booking")) as made:
        yield made


@pytest.mark.parametrize(
    ("fault", "left"), [("booking.policy.aligned", 0), ("booking.policy.followed", BATCH)]
)
async def test_killed_in_the_middle_it_goes_on_and_no_reminder_is_lost_or_asked_for_twice(
    world: World, broker: Broker, tmp_path: Path, fault: str, left: int
) -> None:
    """Slow: three starts of a process with its consumers."""
    shop = await world.shop()
    tenant_id = shop.tenant.tenant_id
    ids = [
        world.post(shop, wish(shop, tomorrow_noon() + timedelta(minutes=30 * n))).json()["id"]
        for n in range(APPOINTMENTS)
    ]
    env: dict[str, str] = broker.service_env("booking") | {
        "database_url": world.database.settings.database_url.get_secret_value(),
        "jwks_url": world.jwks_url,
        "link_key": "k" * 40,
        "public_url": "http://127.0.0.1:8080",
    }
    topics = Topics(broker.super_user())
    rule = ReminderRule(rule_id=new_id(), offset_seconds=7200, channel=Channel.EMAIL)

    def following() -> int:
        asked = "SELECT 1 FROM reminder WHERE tenant_id = %s AND rule_id = %s"
        return len(world.rows(asked, tenant_id, rule.rule_id))

    with run_service("booking", "consume", tmp_path, fault=fault, **env) as dying:
        topics.publish(PolicyChanged(tenant_id=tenant_id, version=2, rules=[rule]))
        assert dying.process.wait(60) == -signal.SIGKILL
    assert following() == left
    with run_service("booking", "all", tmp_path, **env):
        until(lambda: following() == APPOINTMENTS, "the rest follows")
        until(lambda: not world.rows("SELECT 1 FROM outbox"), "nothing is on its way")
    told = topics.events(ReminderRequested.TOPIC, tenant_id)
    requested = Counter(
        (str(event.appointment_id), event.rule_id == rule.rule_id)
        for event in told
        if isinstance(event, ReminderRequested)
    )
    withdrawn = Counter(str(event.appointment_id) for event in told if isinstance(event, ReminderWithdrawn))
    assert requested == Counter({(one, new): 1 for one in ids for new in (False, True)})
    assert withdrawn == Counter(dict.fromkeys(ids, 1))
