"""Getting no more messages, by the link in each of them and without an account.

The link itself leads to a page of web's. A GET changes nothing, as scanners of mails follow links. A POST to the
same address is a mail client's one click (RFC 8058), answered here without cookies, forms or a page.
"""

from typing import Annotated

from fastapi import Path
from starlette.responses import PlainTextResponse

from contracts.booking import Channel
from contracts.platform import TenantChanged
from notification.routes.deps import MessageRules
from notification.suppression import Scope
from servicekit.http.models import Answer, Body
from servicekit.http.routes import Router
from servicekit.links import Subscription

router = Router(tags=["unsubscribe by link"])

Token = Annotated[str, Path(max_length=100)]


class SubscriptionBody(Body):
    unsubscribed: Scope


class SubscriptionAnswer(Answer):
    """`unsubscribed` is null while all messages are sent. With `reminders`, notices are still sent."""

    business: str
    channel: Channel
    unsubscribed: Scope | None


def _answer(found: tuple[TenantChanged, Subscription, Scope | None]) -> SubscriptionAnswer:
    tenant, subscription, scope = found
    return SubscriptionAnswer(business=tenant.display_name, channel=subscription.channel, unsubscribed=scope)


@router.get("/v1/unsubscriptions/{token}", summary="Read what a link has unsubscribed from")
async def read_subscription(token: Token, rules: MessageRules) -> SubscriptionAnswer:
    return _answer(await rules.subscription(token))


@router.put("/v1/unsubscriptions/{token}", summary="Unsubscribe by a link")
async def unsubscribe(token: Token, body: SubscriptionBody, rules: MessageRules) -> SubscriptionAnswer:
    return _answer(await rules.unsubscribe(token, body.unsubscribed))


@router.delete("/v1/unsubscriptions/{token}", summary="Take an unsubscription back")
async def resubscribe(token: Token, rules: MessageRules) -> SubscriptionAnswer:
    """Takes back an earlier unsubscription by this link."""
    return _answer(await rules.resubscribe(token))


@router.post("/unsubscribe/{token}", include_in_schema=False)
async def one_click(token: Token, rules: MessageRules) -> PlainTextResponse:
    """Whatever its body: the token is what counts, and nobody follows a link by POST.

    It says no scope: who has ended more than reminders wants to get less now, not more.
    """
    tenant, _, _ = await rules.unsubscribe(token, None)
    return PlainTextResponse(f"You get no more reminders from {tenant.display_name}.\n")
