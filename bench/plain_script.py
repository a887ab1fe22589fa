"""The operator's calls for new tenants as a plain script would make them, for `bench/tenants.py` to compare with.

For each Tenant: its finalizer, the Secret, two topics, a SCRAM user and four rules in Kafka, the record, billing's
calls to Stripe, the components' answers, one status, one Event. It knows what it will find, so it looks at nothing.
"""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from components import CONCURRENCY, Stripe, answers, send
from confluent_kafka.admin import AdminClient

from contracts.envelope import Envelope
from contracts.platform import TenantChanged, TenantStatusReported
from devstack.cluster import NAMESPACE, TENANTS_NAMESPACE
from servicekit.ids import new_id
from servicekit.kafka import producer
from servicekit.settings import KafkaSettings
from tenant_operator import manifests, status, stream_requests
from tenant_operator.cluster import Cluster
from tenant_operator.domain import (
    FINALIZER,
    Observed,
    StreamState,
    TopicState,
    micro_time,
    parse_plan,
    parse_tenant,
)
from tenant_operator.entitlements import wanted_stream
from tenant_operator.metrics import WRITES
from tenant_operator.reconcile import desired_record
from tenant_operator.stream_requests import Put

Body = dict[str, Any]


class Script:
    def __init__(self, kafka: KafkaSettings, plan: Body) -> None:
        self._kafka = kafka
        self._plan = parse_plan(plan)
        self._cluster = Cluster(NAMESPACE, TENANTS_NAMESPACE)
        self._admin = AdminClient({**kafka.client_config(), "client.id": "bench.script"})
        self._sender = producer(kafka, client_id="bench.script")
        self._stripe = Stripe()

    async def run(self, tenants: Sequence[Body]) -> None:
        """All of them, so many at once; every one is Ready at the end."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(CONCURRENCY))
        await self._cluster.open()
        room = asyncio.Semaphore(CONCURRENCY)
        async with asyncio.TaskGroup() as group:
            for body in tenants:
                group.create_task(self._one(body, room))
        await self._cluster.close()

    async def _one(self, given: Body, room: asyncio.Semaphore) -> None:
        async with room:
            body = await self._cluster.create(given)
            body = await self._cluster.set_finalizers(body, [FINALIZER])
            tenant = parse_tenant(body)
            stream = wanted_stream(tenant, self._plan.spec)
            assert stream is not None
            password = secrets.token_urlsafe(32)
            await self._cluster.put_secret(
                manifests.credentials_secret(
                    tenant.name,
                    str(tenant.uid),
                    TENANTS_NAMESPACE,
                    password,
                    bootstrap=self._kafka.bootstrap,
                    protocol=self._kafka.security_protocol,
                )
            )
            (made,) = await asyncio.to_thread(
                stream_requests.put, self._admin, [Put(stream, StreamState(), password)]
            )
            if isinstance(made, Exception):
                raise made
            seen = Observed(datetime.now(UTC), "https://book.example", TENANTS_NAMESPACE)
            record = desired_record(tenant, self._plan, seen, stream)
            envelope = Envelope(
                id=str(new_id()),
                source="/bench/script",
                type=TenantChanged.TYPE,
                time=seen.now,
                subject=record.key,
                tenant_id=tenant.uid,
                data=record.model_dump_json().encode(),
            )
            send(self._sender, TenantChanged.TOPIC, record.key, envelope)
            billing = await self._stripe.link(tenant.uid, record.plan)
            told = answers(record, billing)
            for key, answer in told:
                send(self._sender, TenantStatusReported.TOPIC, key, answer)
            await asyncio.to_thread(self._sender.flush, 30)
            events = [answer.data for _, answer in told]
            found = [TenantStatusReported.model_validate_json(data) for data in events if data is not None]
            sizes = TopicState(stream.partitions, stream.retention_hours)
            there = StreamState(dict.fromkeys(stream.topics, sizes), True, True, True)
            end = Observed(
                datetime.now(UTC),
                seen.public_url,
                seen.tenants_namespace,
                published=record,
                answers={item.component: item for item in found},
                stream=there,
            )
            await self._cluster.replace_status(body, status.progress(tenant, end, record, stream))
            await self._cluster.create_event(
                manifests.event(
                    manifests.about("Tenant", tenant.name, tenant.uid),
                    f"{tenant.name}.{secrets.token_hex(8)}",
                    kind="Normal",
                    reason="Provisioned",
                    message="Every component serves this business.",
                    now=micro_time(datetime.now(UTC)),
                )
            )


def _writes() -> float:
    """Requests so far that changed something at the API server."""
    return sum(
        sample.value
        for metric in WRITES.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


def main() -> int:
    """Reads the Plan and the Tenants from stdin, and prints what they took."""
    given = json.load(sys.stdin)
    script = Script(KafkaSettings(), given["plan"])
    begun = time.perf_counter()
    asyncio.run(script.run(given["tenants"]))
    seconds = time.perf_counter() - begun
    # A tenant's own creation is not the operator's.
    json.dump({"seconds": seconds, "writes": _writes() / len(given["tenants"]) - 1}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
