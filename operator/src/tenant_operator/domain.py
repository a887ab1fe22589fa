"""The operator's model: a Tenant and a Plan as their objects say, and what was observed around a tenant.

Everything here is an immutable value. `parse_tenant` and `parse_plan` read the API server's JSON; `reconcile` and
`status` work on nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel, to_snake

from contracts.model import Money
from contracts.platform import (
    Component,
    DeletionPolicy,
    Limits,
    Owner,
    PlanSnapshot,
    TenantChanged,
    TenantStatusReported,
)
from contracts.topics import tenant_dead_letter_topic, tenant_topic

GROUP = "slotwright.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/deprovision"
PAUSED = f"{GROUP}/paused"
ABANDON = f"{GROUP}/abandon"
IN_USE = f"{GROUP}/in-use"
ROWS = f"{GROUP}/rows"
SIGNUP = f"{GROUP}/signup"

DEFAULT_RETENTION_HOURS = 168

Body = dict[str, Any]
"""An object as the API server's JSON."""


class _Spec(BaseModel):
    """Part of an object: camelCase on the wire, and fields of a newer version are ignored."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


def _snake_keys(value: Any) -> Any:
    return {to_snake(name): item for name, item in value.items()} if isinstance(value, dict) else value


SpecLimits = Annotated[Limits, BeforeValidator(_snake_keys)]


class StreamSpec(_Spec):
    """None is a field that was not given: the tenant's comes before the plan's, and that before the default."""

    enabled: bool | None = None
    retention_hours: int | None = None
    partitions: int | None = None


class PriceSpec(_Spec):
    amount: int
    currency: str
    interval: Literal["month", "year"] = "month"
    stripe_price_id: str | None = None

    @property
    def money(self) -> Money:
        return Money(amount=self.amount, currency=self.currency)


class PlanSpec(_Spec):
    display_name: str
    price: PriceSpec
    limits: SpecLimits = Limits()
    features: dict[str, bool] = Field(default_factory=dict)
    event_stream: StreamSpec = StreamSpec()


class BillingSpec(_Spec):
    mode: Literal["Stripe", "Manual"] = "Stripe"
    customer_id: str | None = None
    trial_days: int = 0


class TenantSpec(_Spec):
    """`tenant_id` is that of a business whose object was lost with its cluster."""

    display_name: str
    owner: Owner
    plan: str
    timezone: str
    locale: str = "en"
    currency: str
    suspended: bool = False
    limits: SpecLimits = Limits()
    event_stream: StreamSpec = StreamSpec()
    billing: BillingSpec = BillingSpec()
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    tenant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PlanObject:
    """`status` is as it was last written; `generation` that of the spec."""

    name: str
    uid: UUID
    generation: int
    spec: PlanSpec
    status: Mapping[str, Any]
    finalizers: tuple[str, ...] = ()
    deleted_at: datetime | None = None

    @property
    def snapshot(self) -> PlanSnapshot:
        """What services are told of it."""
        return PlanSnapshot(
            name=self.name,
            display_name=self.spec.display_name,
            price=self.spec.price.money,
            interval=self.spec.price.interval,
            stripe_price_id=self.spec.price.stripe_price_id,
        )


@dataclass(frozen=True, slots=True)
class TenantObject:
    """`status` is as it was last written, with the API server's names."""

    name: str
    uid: UUID
    generation: int
    spec: TenantSpec
    status: Mapping[str, Any]
    finalizers: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleted_at: datetime | None = None
    created_at: datetime | None = None

    @property
    def tenant_id(self) -> UUID:
        """Its id in every service."""
        return self.spec.tenant_id or self.uid

    @property
    def paused(self) -> bool:
        return self.annotations.get(PAUSED) == "true"

    @property
    def abandoned(self) -> bool:
        return self.annotations.get(ABANDON) == "true"

    @property
    def conditions(self) -> Mapping[str, Mapping[str, Any]]:
        """The conditions last written, by type."""
        return conditions_in(self.status)


def parse_plan(body: Mapping[str, Any]) -> PlanObject:
    """Raises ValueError for an object that the CRD's schema does not allow."""
    metadata = body["metadata"]
    return PlanObject(
        name=metadata["name"],
        uid=UUID(metadata["uid"]),
        generation=metadata.get("generation", 1),
        spec=PlanSpec.model_validate(body["spec"]),
        status=body.get("status") or {},
        finalizers=tuple(metadata.get("finalizers") or ()),
        deleted_at=_moment(metadata, "deletionTimestamp"),
    )


def parse_tenant(body: Mapping[str, Any]) -> TenantObject:
    """Raises ValueError for an object that the CRD's schema does not allow."""
    metadata = body["metadata"]
    return TenantObject(
        name=metadata["name"],
        uid=UUID(metadata["uid"]),
        generation=metadata.get("generation", 1),
        spec=TenantSpec.model_validate(body["spec"]),
        status=body.get("status") or {},
        finalizers=tuple(metadata.get("finalizers") or ()),
        annotations=metadata.get("annotations") or {},
        deleted_at=_moment(metadata, "deletionTimestamp"),
        created_at=_moment(metadata, "creationTimestamp"),
    )


def tenant_id_of(body: Mapping[str, Any]) -> UUID:
    """As `TenantObject.tenant_id`, of an object that nothing else is asked of."""
    return UUID(body["spec"].get("tenantId") or body["metadata"]["uid"])


def _moment(metadata: Mapping[str, Any], name: str) -> datetime | None:
    said = metadata.get(name)
    return datetime.fromisoformat(said) if said else None


def conditions_in(status: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """A status's conditions by type."""
    return {item["type"]: item for item in status.get("conditions", ())}


def micro_time(moment: datetime) -> str:
    """As the API server writes a MicroTime, of Events and Leases."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def timestamp(moment: datetime) -> str:
    """As the API server writes it: RFC 3339 in whole seconds of UTC."""
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class TopicState:
    partitions: int
    retention_hours: int


@dataclass(frozen=True, slots=True)
class WantedStream:
    """A tenant's own topics as they have to be."""

    slug: str
    tenant_id: UUID
    partitions: int
    retention_hours: int

    @property
    def topics(self) -> tuple[str, str]:
        """The topic of events, then that of dead letters."""
        return tenant_topic(self.slug), tenant_dead_letter_topic(self.slug)


@dataclass(frozen=True, slots=True)
class StreamState:
    """What exists of a tenant's own topics and of the access to them; `topics` by name.

    `access` says that the user's rules in Kafka are exactly those it should have; `outdated` that the Secret lacks
    the brokers' authority of today. That is no drift (`lacks`): the authority changes while the Secret stays.
    """

    topics: Mapping[str, TopicState] = field(default_factory=dict)
    user: bool = False
    access: bool = False
    secret: bool = False
    outdated: bool = False

    @property
    def empty(self) -> bool:
        return not (self.topics or self.user or self.access or self.secret)

    def partitions(self, topic: str) -> int:
        """Of one of the topics; 0 when it does not exist."""
        state = self.topics.get(topic)
        return state.partitions if state is not None else 0

    def fits(self, wanted: WantedStream) -> bool:
        """Everything is there, as it should be. More partitions than wanted fit: Kafka cannot take any away."""
        return not self.lacks(wanted) and not self.outdated

    def lacks(self, wanted: WantedStream) -> list[str]:
        """What is missing or other than it should be, in words for who hears of it once it is mended."""
        found = []
        for name in wanted.topics:
            topic = self.topics.get(name)
            if topic is None:
                found.append(f"topic {name} was missing")
                continue
            if topic.partitions < wanted.partitions:
                found.append(f"topic {name} had {topic.partitions} partitions, not {wanted.partitions}")
            if topic.retention_hours != wanted.retention_hours:
                # Kafka's -1 is without end.
                kept = f"{topic.retention_hours} h" if topic.retention_hours >= 0 else "all events"
                found.append(f"topic {name} kept {kept}, not {wanted.retention_hours} h")
        if not self.user:
            found.append("the Kafka user was missing")
        if not self.access:
            found.append("the Kafka user's rules were not those it should have")
        if not self.secret:
            found.append("the Secret was missing, or not made for this business")
        return found


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything around one tenant: its record on the topic, the components' answers, its stream, the time.

    `published` is the record sent last. Without `acknowledged` services may have it or not: Kafka has not answered.
    `namesake`: there is a record of another tenant of this name, whose object was let go by hand. `forgotten`:
    there was one of this tenant, and a tombstone has replaced it.
    """

    now: datetime
    public_url: str
    tenants_namespace: str
    published: TenantChanged | None = None
    acknowledged: bool = True
    answers: Mapping[Component, TenantStatusReported] = field(default_factory=dict)
    stream: StreamState = StreamState()
    namesake: bool = False
    forgotten: bool = False

    def told(self, record: TenantChanged) -> bool:
        """Whether exactly this record is the last one that services were told."""
        return self.acknowledged and self.published == record
