"""Wires the operator: the one file that knows every part. Called by `__main__`."""

from servicekit.runtime import Parts, Service
from servicekit.settings import KafkaSettings, Settings
from tenant_operator.cluster import Cluster
from tenant_operator.controller import Controller
from tenant_operator.handlers import Watch
from tenant_operator.leader import Leader
from tenant_operator.settings import OperatorSettings
from tenant_operator.signups import Signups
from tenant_operator.streams import Streams


def build(settings: Settings) -> Parts:
    """All loops; the runtime starts them at once, and each waits for what it needs."""
    assert isinstance(settings, OperatorSettings)  # noqa: S101 - SERVICE says so
    kafka = KafkaSettings()
    cluster = Cluster(settings.namespace, settings.tenants_namespace)
    leader = Leader(cluster, settings.lease_seconds)
    controller = Controller(settings, kafka, cluster, Streams(kafka, grants=settings.grants), leader)
    return Parts(
        loops=[
            leader,
            controller.records,
            controller,
            Watch(controller.noticed, controller.listed),
            Signups(kafka, cluster, leader),
        ],
        checks=[leader.ready, controller.records.ready, controller.ready],
    )


SERVICE = Service("tenant_operator", OperatorSettings, build)
