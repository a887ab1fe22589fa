"""Erasing a person: booking asks, every service that held something answers, booking writes the receipt."""

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
