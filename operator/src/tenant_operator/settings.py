"""The operator's own settings; those of Kafka are servicekit.settings.KafkaSettings."""

from pydantic import Field

from servicekit.settings import Settings


class OperatorSettings(Settings):
    namespace: str = Field(default="slotwright", description="The namespace of the Lease.")
    lease_seconds: int = Field(
        default=15,
        ge=5,
        le=60,
        description="How long the Lease lasts. Without an answer of the API server for some three quarters of it"
        " the operator ends, to be started anew; after a crash, its successor waits for so long.",
    )
    tenants_namespace: str = Field(
        default="slotwright-tenants",
        description="The namespace of businesses' Secrets. It should have no others: the operator may read all that"
        " are there.",
    )
    concurrency: int = Field(default=64, ge=1, description="The most objects that are reconciled at a time.")
    resync_seconds: float = Field(
        default=300,
        gt=0,
        description="How often all objects, topics, users and Secrets are listed and compared with what they should"
        " be.",
    )
    usage_seconds: float = Field(
        default=5,
        ge=0,
        description="The least time between two writes of a status in which only the use has changed.",
    )
    progress_seconds: float = Field(
        default=2,
        ge=0,
        description="The least time between two writes of a status that is under way and only gets further.",
    )
    rollout_per_second: float = Field(
        default=120, gt=0, description="How fast a changed plan, or a resync, has its tenants reconciled."
    )
    tenant_kafka_bootstrap: str | None = Field(
        default=None,
        description="The brokers, as `host:port,…`, that businesses' Secrets name; the operator's own when not"
        " set.",
    )
    grants: bool = Field(
        default=True,
        description="Whether the operator gives the platform's parts their rights in Kafka; `false` where Strimzi,"
        " say, does.",
    )
