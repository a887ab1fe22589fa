"""What notification tells: what became of each message. Ids and times only, never an address or a text."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.booking import Channel
from contracts.model import TenantEvent, Timestamp

Kind = Literal["reminder", "booked", "rescheduled", "cancelled", "confirmed"]


class MessageEvent(TenantEvent):
    TOPIC: ClassVar[str] = "notification.message.v1"

    message_id: UUID
    kind: Kind
    channel: Channel
    appointment_id: UUID
    appointment_version: int
    reminder_id: UUID | None = None
    occurred_at: Timestamp

    @property
    def aggregate_id(self) -> str:
        return str(self.appointment_id)


class MessageSent(MessageEvent):
    TYPE: ClassVar[str] = "notification.message.sent.v1"
    due_at: Timestamp | None = Field(default=None, description="A reminder's time; None for other kinds.")
    provider: str


class MessageFailed(MessageEvent):
    TYPE: ClassVar[str] = "notification.message.failed.v1"
    attempts: int
    reason: str = Field(description="CamelCase; the provider's words stay in notification's own log.")


class MessageSuppressed(MessageEvent):
    TYPE: ClassVar[str] = "notification.message.suppressed.v1"
    reason: Literal["no-consent", "no-address", "stale", "quota", "erased", "suspended", "too-late"]
    detail: str | None = Field(
        default=None,
        description="Why the address is on the suppression list: unsubscribed, bounced, complaint or by-hand.",
    )
