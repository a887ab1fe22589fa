"""Quiet hours: when a business does not write to people (docs/messages.md)."""

from datetime import time
from typing import Annotated

from fastapi import Response
from pydantic import AfterValidator, Field

from contracts.booking import Channel
from notification.quiet import QuietHours
from notification.routes.deps import MessageRules
from servicekit.errors import Invalid
from servicekit.http.headers import IfMatch, etag
from servicekit.http.models import Answer, Body, LocalTime
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(prefix="/v1/quiet-hours", tags=["quiet hours"])


def _distinct(channels: list[Channel]) -> list[Channel]:
    if len(set(channels)) != len(channels):
        raise ValueError("a channel stands there twice")
    return channels


class QuietHoursBody(Body):
    """Local times in the zone in which the customer is shown the appointment. `to` may be before `from`: past
    midnight."""

    from_: LocalTime = Field(alias="from")
    to: LocalTime
    channels: Annotated[list[Channel], Field(max_length=2), AfterValidator(_distinct)] = Field(
        description="The channels whose messages wait. An empty list turns quiet hours off."
    )
    notices: bool = Field(
        default=False, description="Whether notices of appointments wait too, not only reminders."
    )


class QuietHoursAnswer(Answer):
    version: int
    from_: time = Field(alias="from")
    to: time
    channels: list[Channel]
    notices: bool


def _answer(quiet: QuietHours, response: Response) -> QuietHoursAnswer:
    response.headers["ETag"] = etag(quiet.version)
    return QuietHoursAnswer(
        **{"from": quiet.begins},
        version=quiet.version,
        to=quiet.ends,
        channels=sorted(quiet.channels),
        notices=quiet.notices,
    )


@router.get("", summary="Read the quiet hours")
async def read_quiet_hours(who: Member, rules: MessageRules, response: Response) -> QuietHoursAnswer:
    """There are no channels while no quiet hours were set."""
    return _answer(await rules.quiet_hours(who.tenant_id), response)


@router.put("", summary="Replace the quiet hours")
async def replace_quiet_hours(
    body: QuietHoursBody, who: Owner, version: IfMatch, rules: MessageRules, response: Response
) -> QuietHoursAnswer:
    """Messages that wait for the end of the previous quiet hours are checked again."""
    if body.from_ == body.to:
        raise Invalid.field("/to", "must differ from `from`; without channels there are no quiet hours")
    wanted = QuietHours(
        version=0,
        begins=body.from_,
        ends=body.to,
        channels=frozenset(body.channels),
        notices=body.notices,
    )
    return _answer(await rules.replace_quiet_hours(who.tenant_id, version, wanted), response)
