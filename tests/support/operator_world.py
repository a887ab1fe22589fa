"""The operator as a process between a real API server and a real Kafka, and the test in the place of the services.

Used by tests/operator. The test answers for the components over the real topic, with the rights of a super user.
"""

import base64
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.envelope import Envelope, parse_headers
from contracts.model import record_key
from contracts.platform import (
    BillingDetails,
    Component,
    ComponentState,
    StatusDetails,
    TenantChanged,
    TenantState,
    TenantStatusReported,
)
from devstack.processes import free_port
from servicekit.clock import utc_now
from servicekit.ids import new_id
from servicekit.kafka import Received, received
from support.api_server import ApiServer, Body
from support.broker import Broker
from support.events import Tail, Topics
from support.logs import last_lines
from support.processes import Running, run_service
from support.programs import Process, Program

T = TypeVar("T")

SECONDS = 60.0


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = SECONDS) -> T:
    """The first answer that is neither None nor False; fails naming `what` after a while."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.05)


def condition(body: Body | None, kind: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition; all empty while there is none."""
    for item in ((body or {}).get("status") or {}).get("conditions", ()):
        if item["type"] == kind:
            return item["status"], item["reason"], item["message"]
    return "", "", ""


def plan(name: str, **spec: Any) -> Body:
    given: Body = {
        "displayName": "Pro",
        "price": {"amount": 2900, "currency": "EUR", "interval": "month"},
        "limits": {"bookingsPerMonth": 2000},
    }
    return {
        "apiVersion": "slotwright.io/v1alpha1",
        "kind": "Plan",
        "metadata": {"name": name},
        "spec": given | spec,
    }


def tenant(name: str, plan_name: str, **spec: Any) -> Body:
    given: Body = {
        "displayName": "Riverside Barbers",
        "owner": {"email": "ada@riverside.example", "name": "Ada"},
        "plan": plan_name,
        "timezone": "Europe/Lisbon",
        "currency": "EUR",
        "billing": {"mode": "Stripe", "trialDays": 14},
    }
    return {
        "apiVersion": "slotwright.io/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": given | spec,
    }


def fresh(prefix: str) -> str:
    return f"{prefix}-{uuid4().hex[:10]}"


def write_unreadable(world: "OperatorWorld", topic: str, tenant_id: UUID) -> None:
    """What nobody can read, on one of the operator's topics, under the keys of a tenant's records and of none."""
    topics = Topics(world.broker.super_user())
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": b"unreadable",
        "ce_source": b"/slotwright/test",
        "ce_type": TenantStatusReported.TYPE.encode(),
        "ce_tenantid": str(tenant_id).encode(),
    }
    for component in Component:
        key = (
            record_key(tenant_id, component.value) if topic == TenantStatusReported.TOPIC else str(tenant_id)
        )
        topics.put(topic, key, b"{", headers)
        topics.put(topic, key, b"{}", {})
    topics.put(topic, f"{tenant_id}/kitchen", None, headers)
    for nobody in ("nobody", "nobody/billing", ""):
        topics.put(topic, nobody, None, headers)


@dataclass
class OperatorWorld:
    """What a test of the operator works with; `folder` takes logs and the kubeconfig."""

    api: ApiServer
    broker: Broker
    folder: Path
    _records: dict[bytes | None, Received] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def _tail(self) -> Tail:
        return Tail(self.broker.super_user(), TenantChanged.TOPIC)

    @cached_property
    def _topics(self) -> Topics:
        return Topics(self.broker.super_user())

    @contextmanager
    def operator(self, **settings: str) -> Iterator[Running]:
        """One operator, ready, with these settings beside the usual ones; a SIGTERM at the end."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(self.api.kubeconfig(self.folder)))
            given = self._settings() | settings
            with run_service("tenant_operator", "run", self.folder, **given) as running:
                yield running

    def operator_dies_at(self, point: str) -> None:
        """One operator, until it has killed itself at that point (servicekit.faults), and its Lease with it."""
        log = self.folder / f"{point}.log"
        process = self._started(log, FAULT=point)
        try:
            assert process.wait(SECONDS) == -signal.SIGKILL, last_lines(log)
        finally:
            process.kill()
        # That a dead operator's Lease runs out is tested in test_restart; here it would be most of the time.
        self.api.remove("/apis/coordination.k8s.io/v1/namespaces/slotwright/leases/slotwright-operator")

    @contextmanager
    def operator_that_is_not_ready(self) -> Iterator[Process]:
        """One operator, for a time in which it cannot become ready; a SIGTERM at the end."""
        process = self._started(self.folder / "not-ready.log")
        try:
            yield process
        finally:
            process.terminate()
            process.wait(SECONDS)

    def _started(self, log: Path, **more: str) -> Process:
        settings = self._settings() | {"PORT": str(free_port())} | more
        env = {f"SLOTWRIGHT_{name}": value for name, value in settings.items()}
        kubeconfig = {"KUBECONFIG": str(self.api.kubeconfig(self.folder))}
        return Program(["tenant_operator", "run"], env | kubeconfig, log)

    def _settings(self) -> dict[str, str]:
        return self.broker.service_env("operator") | {
            # On a machine that is busy with other tests an API server may be silent for longer than usual.
            "LEASE_SECONDS": "60",
            "RESYNC_SECONDS": "2",
            "USAGE_SECONDS": "0",
            "PROGRESS_SECONDS": "0",
            "PUBLIC_URL": "https://book.example",
        }

    def new_plan(self, **spec: Any) -> str:
        name = fresh("plan")
        assert self.api.create(plan(name, **spec)).status_code == 201
        return name

    def new_tenant(self, plan_name: str, **spec: Any) -> str:
        name = fresh("shop")
        answer = self.api.create(tenant(name, plan_name, **spec))
        assert answer.status_code == 201, answer.text
        return name

    def tenant_id(self, name: str) -> UUID:
        body = self.api.get("Tenant", name)
        assert body is not None
        return UUID(body["metadata"]["uid"])

    def record(self, tenant_id: UUID) -> TenantChanged | None:
        """The tenant's last record on the topic, None for a tombstone or nothing."""
        self._records |= {item.key: item for item in self._tail.read()}
        last = self._records.get(str(tenant_id).encode())
        if last is None or last.value is None:
            return None
        event = parse_headers(last.headers, last.value).event()
        assert isinstance(event, TenantChanged)
        return event

    def await_record(self, tenant_id: UUID, state: TenantState = TenantState.ACTIVE) -> TenantChanged:
        def look() -> TenantChanged | None:
            record = self.record(tenant_id)
            return record if record is not None and record.state is state else None

        return eventually(look, f"a record with state {state}")

    def await_record_of_plan(self, tenant_id: UUID, plan_name: str) -> TenantChanged:
        def look() -> TenantChanged | None:
            record = self.record(tenant_id)
            return record if record is not None and record.plan.name == plan_name else None

        return eventually(look, f"a record with plan {plan_name}")

    def events(self, name: str) -> list[Body]:
        """The Events about the object of that name."""
        found = self.api.read("/apis/events.k8s.io/v1/namespaces/default/events?limit=1000")["items"]
        return [item for item in found if item["regarding"]["name"] == name]

    def event(self, name: str, reason: str) -> Body | None:
        """One with that reason, or None."""
        return next((item for item in self.events(name) if item["reason"] == reason), None)

    def answer(
        self,
        record: TenantChanged,
        component: Component,
        state: ComponentState = ComponentState.READY,
        **details: Any,
    ) -> None:
        usual: dict[Component, dict[str, Any]] = {
            Component.AUTH: {"owner_invited": True},
            Component.BILLING: {"billing": BillingDetails(customer_id="cus_1", state="trialing")},
        }
        told = details or usual.get(component, {})
        status = TenantStatusReported(
            tenant_id=record.tenant_id,
            component=component,
            generation=record.generation,
            state=state,
            reason="Provisioned",
            message=f"{component.value} is done.",
            details=StatusDetails(**told),
        )
        self._produce(
            TenantStatusReported.TOPIC,
            record_key(record.tenant_id, component.value),
            Envelope(
                id=str(new_id()),
                source=f"/slotwright/{component.value}",
                type=status.TYPE,
                time=utc_now(),
                subject=status.key,
                tenant_id=record.tenant_id,
                data=status.model_dump_json().encode(),
            ),
        )

    def answer_all(self, record: TenantChanged, state: ComponentState = ComponentState.READY) -> None:
        for component in Component:
            self.answer(record, component, state)

    def provisioned(self, plan_name: str, **spec: Any) -> str:
        """A new tenant for which every component has answered, and which is Ready."""
        name = self.new_tenant(plan_name, **spec)
        self.answer_all(self.await_record(self.tenant_id(name)))
        self.await_condition(name, "Ready", "True")
        return name

    def await_condition(self, name: str, kind: str, status: str, reason: str | None = None) -> Body:
        def look() -> Body | None:
            body = self.api.get("Tenant", name)
            said, why, _ = condition(body, kind)
            return body if said == status and reason in {None, why} else None

        return eventually(look, f"{name}: {kind}={status} {reason or ''}")

    def secret(self, name: str) -> dict[str, str]:
        body = self.api.read(f"/api/v1/namespaces/slotwright-tenants/secrets/tenant-{name}-kafka")
        return {key: base64.b64decode(value).decode() for key, value in body["data"].items()}

    def client_of(self, secret: dict[str, str]) -> dict[str, Any]:
        """librdkafka's configuration of a business, from its Secret alone."""
        names = (
            "bootstrap.servers",
            "security.protocol",
            "sasl.mechanism",
            "sasl.username",
            "sasl.password",
        )
        return {name: secret[name] for name in names}

    def send(self, topic: str, key: str, envelope: Envelope) -> None:
        self._produce(topic, key, envelope)

    def topics(self) -> set[str]:
        return set(AdminClient(dict(self.broker.super_user())).list_topics(timeout=10).topics)

    def end_offsets(self) -> dict[tuple[str, int], int]:
        """Where each partition of the operator's topics ends."""
        client = Consumer({**self.broker.super_user(), "group.id": "offsets"})
        ends = {}
        for topic in (TenantChanged.TOPIC, TenantStatusReported.TOPIC):
            for number in client.list_topics(topic, timeout=10).topics[topic].partitions:
                ends[topic, number] = client.get_watermark_offsets(TopicPartition(topic, number))[1]
        client.close()
        return ends

    def read_topic(
        self, topic: str, config: dict[str, Any] | None = None, group: str = "test"
    ) -> list[tuple[str, bytes | None, list[tuple[str, bytes]]]]:
        """Every message on the topic now; raises KafkaException when the user may not read it."""
        client = Consumer(
            {**(config or self.broker.super_user()), "group.id": group, "enable.partition.eof": True}
        )
        try:
            metadata = client.list_topics(topic, timeout=10).topics[topic]
            if metadata.error is not None:
                raise KafkaException(metadata.error)
            client.assign([TopicPartition(topic, number, 0) for number in metadata.partitions])
            open_ends = set(metadata.partitions)
            found = []
            while open_ends:
                message = client.poll(10)
                assert message is not None, f"{topic} has no end"
                error = message.error()
                if error is None:
                    read = received(message)
                    found.append(((read.key or b"").decode(), read.value, read.headers))
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_ends.discard(message.partition())
                else:
                    raise KafkaException(error)
            return found
        finally:
            client.close()

    def read_group(self, topic: str, config: dict[str, Any], group: str) -> None:
        """Joins a consumer group; raises KafkaException when the user may not."""
        client = Consumer({**config, "group.id": group})
        try:
            client.subscribe([topic])
            message = client.poll(30)
            error = message.error() if message is not None else None
            if error is not None:
                raise KafkaException(error)
        finally:
            client.close()

    def _produce(self, topic: str, key: str, envelope: Envelope) -> None:
        headers = {name: value.encode() for name, value in envelope.headers().items()}
        self._topics.put(topic, key, envelope.data, headers)
