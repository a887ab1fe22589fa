"""Messages to customers and to the owner: which were sent, which were not, and why.

For everyone at the business; only the owner sees whole addresses.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from contracts.booking import Channel
from notification.domain import Message, MessageKind, Status, masked
from notification.routes.deps import Notification
from servicekit.http.models import Answer
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import OWNER, Member, Principal

router = Router(prefix="/v1/messages", tags=["messages"])


_ABOUT = ("appointment_id", "appointment_version", "customer_id", "endpoint_id", "reminder_id", "due_at")
"""The fields that say what a message is about; those to customers have other ones than those to owners."""


class MessageAnswer(Answer):
    id: UUID
    kind: MessageKind
    channel: Channel
    status: Status
    reason: str | None = Field(description="Why the message was suppressed or has failed.")
    recipient: str | None = Field(
        description="The address that it went to; masked for staff. Null before the first attempt, and once the"
        " customer is erased."
    )
    appointment_id: UUID | None = Field(
        description="The appointment, or the one that an offer to the waitlist becomes when accepted. Null in a"
        " message to the owner."
    )
    appointment_version: int | None
    customer_id: UUID | None
    endpoint_id: UUID | None = Field(
        description="The endpoint that was disabled, in the message `webhook-disabled` to the owner."
    )
    reminder_id: UUID | None
    due_at: datetime | None = Field(description="When a reminder is due.")
    segments: int | None = Field(
        description="The number of segments of a text message, as counted when it was first handed over."
    )
    held_until: datetime | None = Field(description="The end of the quiet hours for which the message waits.")
    attempts: int
    possibly_repeated: bool = Field(
        description="The sender died or the connection broke when the message may have been handed over already. It"
        " was sent again, under the same Message-ID."
    )
    provider: str | None
    created_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, message: Message, who: Principal) -> "MessageAnswer":
        return cls(**_fields(message, who))


class MessageDetail(MessageAnswer):
    text: str | None = Field(
        description="A text message that the mock provider has kept instead of sending it."
    )


def _fields(message: Message, who: Principal) -> dict[str, object]:
    recipient = message.recipient
    if recipient is not None and who.role != OWNER:
        recipient = masked(recipient, message.channel)
    return {name: getattr(message, name, None) for name in _ABOUT} | {
        "id": message.message_id,
        "kind": message.kind,
        "channel": message.channel,
        "status": message.status,
        "reason": message.reason,
        "recipient": recipient,
        "segments": message.segments,
        "held_until": message.held_until,
        "attempts": message.attempts,
        "possibly_repeated": message.repeated,
        "provider": message.provider,
        "created_at": message.queued_at,
        "settled_at": message.settled_at,
    }


@router.get("", summary="List messages")
async def list_messages(
    who: Member,
    paging: Paging,
    notification: Notification,
    status: Status | None = None,
    channel: Channel | None = None,
    appointment_id: Annotated[UUID | None, Query()] = None,
) -> Page[MessageAnswer]:
    """The newest messages first."""
    found = await notification.messages(
        who.tenant_id,
        status=status,
        channel=channel,
        appointment_id=appointment_id,
        after=paging.after_id(),
        limit=paging.limit + 1,
    )
    shown = found[: paging.limit]
    cursor = encode_cursor(str(shown[-1].message_id)) if len(found) > paging.limit else None
    return Page(items=[MessageAnswer.of(item, who) for item in shown], next_cursor=paging.link(cursor))


@router.get("/{message_id}", summary="Read a message")
async def read_message(message_id: UUID, who: Member, notification: Notification) -> MessageDetail:
    message, text = await notification.message(who.tenant_id, message_id)
    return MessageDetail.model_validate({**_fields(message, who), "text": text})
