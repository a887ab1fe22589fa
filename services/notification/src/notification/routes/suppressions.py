"""Who is not written to any more, and why (docs/messages.md). Addresses are shown masked: none is stored."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field, TypeAdapter, ValidationError

from contracts.booking import Channel
from notification.routes.deps import MessageRules
from notification.suppression import Reason, Scope, Suppression
from servicekit.errors import Invalid
from servicekit.http.headers import Idempotency, respond
from servicekit.http.models import Answer, Body, EmailAddress, Phone
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

router = Router(prefix="/v1/suppressions", tags=["suppressions"])

_ADDRESS: dict[Channel, tuple[TypeAdapter[str], str]] = {
    Channel.EMAIL: (TypeAdapter(EmailAddress), "must be an e-mail address"),
    Channel.SMS: (TypeAdapter(Phone), "must be a telephone number in E.164, such as +351912345678"),
}


class SuppressionBody(Body):
    channel: Channel
    address: Annotated[
        str, Field(max_length=254, description="An e-mail address, or a phone number in E.164 format.")
    ]
    reason: Reason = "by-hand"
    scope: Scope = Field(
        default="all",
        description="`reminders` blocks reminders only: notices of appointments are still sent.",
    )


class SuppressionAnswer(Answer):
    id: UUID
    channel: Channel
    address: str | None = Field(
        description="The masked address; null when the person is erased or not known here."
    )
    reason: Reason
    scope: Scope
    created_at: datetime

    @classmethod
    def of(cls, suppression: Suppression) -> "SuppressionAnswer":
        return cls(
            id=suppression.suppression_id,
            channel=suppression.channel,
            address=suppression.hint,
            reason=suppression.reason,
            scope=suppression.scope,
            created_at=suppression.created_at,
        )


@router.get("", summary="List blocked addresses")
async def list_suppressions(
    who: Owner,
    paging: Paging,
    rules: MessageRules,
    channel: Channel | None = None,
    reason: Reason | None = None,
) -> Page[SuppressionAnswer]:
    """The newest entries first."""
    found = await rules.suppressions(
        who.tenant_id,
        channel=channel,
        reason=reason,
        after=paging.after_id(),
        limit=paging.limit + 1,
    )
    shown = found[: paging.limit]
    cursor = encode_cursor(str(shown[-1].suppression_id)) if len(found) > paging.limit else None
    return Page(items=[SuppressionAnswer.of(item) for item in shown], next_cursor=paging.link(cursor))


@router.post("", status_code=201, response_model=SuppressionAnswer, summary="Block an address")
async def add_suppression(
    body: SuppressionBody, who: Owner, key: Idempotency, rules: MessageRules
) -> Response:
    """For an address that is on the list for the same reason, the new scope replaces the old one."""
    kind, fault = _ADDRESS[body.channel]
    try:
        address = kind.validate_python(body.address)
    except ValidationError:
        raise Invalid.field("/address", fault) from None
    outcome = await rules.suppress(
        who.tenant_id, key, body.channel, address, body.reason, body.scope, SuppressionAnswer.of
    )
    return respond(outcome)


@router.delete("/{suppression_id}", status_code=204, summary="Unblock an address")
async def delete_suppression(suppression_id: UUID, who: Owner, rules: MessageRules) -> None:
    """Messages go to the address again, unless another entry blocks it."""
    await rules.unsuppress(who.tenant_id, suppression_id)
