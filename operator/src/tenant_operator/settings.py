"""The operator's own settings; those of Kafka are servicekit.settings.KafkaSettings."""

from pydantic import Field

from servicekit.settings import Settings


class OperatorSettings(Settings):
    namespace: str = Field(default="slotwright", description="Where the Lease stands.")
    lease_seconds: int = Field(
        default=15,
        ge=5,
        le=60,
        description="How long the Lease lasts. Without an answer of the API server for some three quarters of it"
        " the operator ends, to be started anew; after a crash, its successor waits for so long.",
    )
    tenants_namespace: str = Field(
        default="slotwright-tenants",
        description="Where businesses' Secrets stand: they alone, as the operator may read all that are there.",
    )
    concurrency: int = Field(default=64, ge=1, description="Objects that are reconciled at once.")
    resync_seconds: float = Field(
        default=300, gt=0, description="How often everything is listed and compared anew."
    )
    usage_seconds: float = Field(
        default=5, ge=0, description="A status in which only the use has changed is not written more often."
    )
    progress_seconds: float = Field(
        default=2,
        ge=0,
        description="A status that is under way and only gets further is not written more often.",
    )
    rollout_per_second: float = Field(
        default=120, gt=0, description="Tenants a second that a changed plan, or a resync, wakes."
    )
    tenant_kafka_bootstrap: str | None = Field(
        default=None,
        description="What businesses' Secrets name as the brokers; the operator's own when not set.",
    )
    grants: bool = Field(
        default=True,
        description="Whether it gives the platform's parts their Kafka rights; false where Strimzi, say, does.",
    )
