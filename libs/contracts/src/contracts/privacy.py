"""Erasing a person, step by step; nobody publishes these yet: a tombstone on booking.customer.v1 tells of it.

With more services that hold something of a person, booking would ask, each would answer, and booking would write
the receipt.
"""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from contracts.model import TenantEvent, Timestamp
from contracts.platform import Component


class ErasureEvent(TenantEvent):
    TOPIC: ClassVar[str] = "privacy.erasure.v1"

    erasure_id: UUID
    customer_id: UUID
    occurred_at: Timestamp

    @property
    def aggregate_id(self) -> str:
        return str(self.customer_id)


class ErasureRequested(ErasureEvent):
    TYPE: ClassVar[str] = "privacy.erasure.requested.v1"


class ErasureAcknowledged(ErasureEvent):
    TYPE: ClassVar[str] = "privacy.erasure.acknowledged.v1"
    component: Component
    erased: dict[str, int] = Field(description="Table to rows erased.")


class ErasureCompleted(ErasureEvent):
    TYPE: ClassVar[str] = "privacy.erasure.completed.v1"
    erased: dict[str, dict[str, int]] = Field(description="Component to table to rows erased.")
