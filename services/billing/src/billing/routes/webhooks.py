"""Stripe's webhooks: the signature is checked over the raw body, the event noted, the work done later."""

from fastapi import Request

from billing.routes.deps import Billing
from servicekit.http.models import Answer
from servicekit.http.routes import Router

router = Router(tags=["machines"])


class ReceivedAnswer(Answer):
    received: bool


_BODY = {
    "requestBody": {
        "required": True,
        "description": "An event, as Stripe signs it.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.post("/webhooks/stripe", openapi_extra=_BODY, summary="Receive Stripe's webhooks")
async def receive(request: Request, billing: Billing) -> ReceivedAnswer:
    await billing.receive_webhook(await request.body(), request.headers.get("stripe-signature"))
    return ReceivedAnswer(received=True)
