"""Wires scheduler: the one place that knows every part. Run by `scheduler.__main__`, and by tests.

It serves no routes: nobody asks it anything but whether it is well.
"""

from contracts.platform import Component
from scheduler.consumers import SchedulerHooks, timers_consumer
from scheduler.settings import SchedulerSettings
from scheduler.workers import ClosedTimers, TimerLoop
from servicekit.db import Database
from servicekit.full_scan import FullScan
from servicekit.housekeeping import Housekeeping
from servicekit.relay import Relay
from servicekit.runtime import Parts, Service
from servicekit.settings import DatabaseSettings, KafkaSettings, Settings
from servicekit.tenancy import TenantFollower


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    assert isinstance(settings, SchedulerSettings)  # noqa: S101 - SERVICE says so
    kafka = KafkaSettings()
    db = Database(DatabaseSettings(), application="scheduler")
    timers = TimerLoop(db, every=settings.look_seconds, batch_size=settings.batch_size)
    tenants = TenantFollower(Component.SCHEDULER, db, kafka, SchedulerHooks())
    return Parts(
        database=db,
        consumers=[
            tenants.consumer,
            tenants.remover,
            timers_consumer(db, kafka, on_set=timers.timer_set),
            timers,
            FullScan("scheduler.full-scan", timers.full_scan, every=settings.look_seconds),
            ClosedTimers(db),
            Housekeeping("scheduler", db),
        ],
        relays=[Relay("scheduler", db, kafka)],
    )


SERVICE = Service("scheduler", SchedulerSettings, build)
