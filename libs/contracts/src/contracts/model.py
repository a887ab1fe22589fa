"""The base of every record that travels between parts; all other modules here derive from it.

Readers ignore fields they do not know (a publisher may add), writers are checked on construction. Times are
aware datetimes, serialised as RFC 3339 in UTC.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar in UTC") from None


Timestamp = Annotated[AwareDatetime, AfterValidator(_utc)]
"""An instant; always UTC once parsed."""

CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code.")]
Slug = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="The tenant's name in URLs and in its Kafka topics; a DNS label.",
    ),
]
RESERVED_SLUGS = frozenset({"appointments", "feeds", "waitlist"})
"""No tenant's: the gateway has paths of its own below `/v1/public/` at these. The Tenant's CRD refuses them too."""
TENANT_TIMEZONE = r"^(UTC|[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){1,2})$"
"""Which of the IANA's names a tenant's zone may have, as its CRD says it: no abbreviation (`WET`), no `Japan`."""


class Record(BaseModel):
    """An immutable value that ignores unknown fields, so that publishers may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Money(Record):
    """An amount in the currency's minor units (cents), as Stripe counts them."""

    amount: int = Field(ge=0, description="Minor units of the currency.")
    currency: CurrencyCode


class Event(Record):
    """Something that happened to one aggregate.

    `TYPE` is the CloudEvents type, `<context>.<aggregate>.<past tense>.v<n>`; `TOPIC` carries it.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]

    @property
    def key(self) -> str:
        """The Kafka key: events with the same key keep their order, and compaction keeps the last of them."""
        raise NotImplementedError


class TenantEvent(Event):
    """An event within one tenant, with the key `<tenant_id>/<aggregate_id>`."""

    tenant_id: UUID

    @property
    def aggregate_id(self) -> str:
        """What changed, unique within the tenant."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        return record_key(self.tenant_id, self.aggregate_id)


def record_key(tenant_id: UUID, aggregate_id: UUID | str) -> str:
    """The key of an aggregate's events, also for its tombstone: `<tenant_id>/<aggregate_id>`."""
    return f"{tenant_id}/{aggregate_id}"
