"""A business's webhook endpoints and what was delivered to them. For the owner alone: addresses may hold tokens."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints, field_validator

from notification.webhooks.domain import (
    ALL_EVENTS,
    TEST,
    Attempt,
    Delivery,
    DeliveryStatus,
    DisabledFor,
    EventType,
)
from notification.webhooks.service import Logged, Shown, WebhookService
from servicekit.http.headers import Idempotency, IfMatch, etag, respond
from servicekit.http.models import Answer, Body
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner
from servicekit.outbound import MAX_URL

router = Router(prefix="/v1/webhook-endpoints", tags=["webhooks"])


async def _service(request: Request) -> WebhookService:
    service: WebhookService = request.app.state.webhooks
    return service


Webhooks = Annotated[WebhookService, Depends(_service)]


def _one_of(*known: str) -> tuple[AfterValidator, Any]:
    """A text that is one of these, in the schema too."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return value

    return AfterValidator(check), Field(json_schema_extra={"enum": list(known)})


def _distinct(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise ValueError("must not name an event twice")
    if ALL_EVENTS in value and len(value) > 1:
        raise ValueError("must not name others beside *")
    return value


Wanted = Annotated[str, *_one_of(*EventType, ALL_EVENTS)]
Told = Annotated[str, *_one_of(*EventType, TEST)]
Events = Annotated[list[Wanted], Field(min_length=1, max_length=len(EventType)), AfterValidator(_distinct)]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL),
    Field(description="An https:// URL at a public address. Redirects are not followed."),
]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class NewEndpoint(Body):
    url: Url = Field(examples=["https://riverside.example/webhooks"])
    events: Events = Field(
        description="The event types to send. `*` alone means all, with those of later releases."
    )
    description: Description = ""


class EndpointEdit(Body):
    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: bool | None = None

    @field_validator("*")
    @classmethod
    def _leave_out(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("must not be null; leave it out to keep it")
        return value


class EndpointAnswer(Answer):
    id: UUID
    version: int
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: DisabledFor | None = Field(
        description="`gone`: it answered 410. `failing`: every attempt of five days failed. `owner`: an owner"
        " disabled it."
    )
    disabled_at: datetime | None
    failing_since: datetime | None = Field(
        description="When the first attempt failed since the last success."
    )
    old_secret_until: datetime | None = Field(
        description="Until then, deliveries are signed with the replaced secret too, beside the present one."
    )
    created_at: datetime


class EndpointWithSecret(EndpointAnswer):
    secret: str | None = Field(
        description="In this answer only. Null where an Idempotency-Key is repeated: rotate the secret to get a new"
        " one."
    )


class AttemptAnswer(Answer):
    number: int
    began_at: datetime
    duration_ms: int | None
    http_status: int | None = Field(description="The HTTP status of the answer; null when there was none.")
    error: str | None = Field(description="`Interrupted`: the sender stopped before it knew the outcome.")


class AttemptDetail(AttemptAnswer):
    response: str | None = Field(description="The first KiB of the answer's body.")


class DeliveryAnswer(Answer):
    id: UUID
    webhook_id: str = Field(description="The `webhook-id` header: the event's id, the same at each attempt.")
    type: str
    status: DeliveryStatus
    reason: str | None = Field(description="Why the delivery has failed.")
    attempts: list[AttemptAnswer]
    created_at: datetime
    next_attempt_at: datetime | None
    settled_at: datetime | None


class DeliveryDetail(DeliveryAnswer):
    payload: str = Field(description="The request's body, byte for byte.")
    attempts: list[AttemptDetail]  # type: ignore[assignment]  # each tells more


def _endpoint_fields(shown: Shown) -> dict[str, Any]:
    endpoint, old_secret_until = shown
    return {
        "id": endpoint.endpoint_id,
        "version": endpoint.version,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "disabled_at": endpoint.disabled_at,
        "failing_since": endpoint.failing_since,
        "old_secret_until": old_secret_until,
        "created_at": endpoint.created_at,
    }


def _with_secret(shown: Shown, secret: str | None) -> EndpointWithSecret:
    return EndpointWithSecret(**_endpoint_fields(shown), secret=secret)


def _with_etag(shown: Shown, response: Response) -> EndpointAnswer:
    response.headers["ETag"] = etag(shown[0].version)
    return EndpointAnswer(**_endpoint_fields(shown))


def _attempt_fields(item: Attempt, delivery: Delivery) -> dict[str, Any]:
    under_way = delivery.status is DeliveryStatus.SENDING and item.number == delivery.attempts
    interrupted = item.milliseconds is None and not under_way
    return {
        "number": item.number,
        "began_at": item.began_at,
        "duration_ms": item.milliseconds,
        "http_status": item.http_status,
        "error": "Interrupted" if interrupted else item.error,
        "response": item.response,
    }


def _delivery_fields(logged: Logged) -> dict[str, Any]:
    delivery, attempts = logged
    return {
        "id": delivery.delivery_id,
        "webhook_id": delivery.webhook_id,
        "type": delivery.type,
        "status": delivery.status,
        "reason": delivery.reason,
        "attempts": [_attempt_fields(item, delivery) for item in attempts],
        "created_at": delivery.queued_at,
        "next_attempt_at": delivery.next_attempt_at if delivery.status is DeliveryStatus.QUEUED else None,
        "settled_at": delivery.settled_at,
    }


@router.post("", status_code=201, response_model=EndpointWithSecret, summary="Add an endpoint")
async def add_endpoint(body: NewEndpoint, who: Owner, key: Idempotency, webhooks: Webhooks) -> Response:
    return respond(
        await webhooks.add(who.tenant_id, key, body.url, body.events, body.description, _with_secret)
    )


@router.get("", summary="List endpoints")
async def list_endpoints(who: Owner, paging: Paging, webhooks: Webhooks) -> Page[EndpointAnswer]:
    found = await webhooks.endpoints(who.tenant_id, paging.after_id(), paging.limit + 1)
    shown = found[: paging.limit]
    cursor = encode_cursor(str(shown[-1][0].endpoint_id)) if len(found) > paging.limit else None
    return Page(
        items=[EndpointAnswer(**_endpoint_fields(item)) for item in shown], next_cursor=paging.link(cursor)
    )


@router.get("/{endpoint_id}", summary="Read an endpoint")
async def read_endpoint(
    endpoint_id: UUID, who: Owner, webhooks: Webhooks, response: Response
) -> EndpointAnswer:
    return _with_etag(await webhooks.endpoint(who.tenant_id, endpoint_id), response)


@router.patch("/{endpoint_id}", summary="Edit an endpoint")
async def edit_endpoint(
    endpoint_id: UUID,
    body: EndpointEdit,
    who: Owner,
    version: IfMatch,
    webhooks: Webhooks,
    response: Response,
) -> EndpointAnswer:
    fields = body.model_dump(exclude_unset=True)
    if "events" in fields:
        fields["events"] = tuple(fields["events"])
    return _with_etag(await webhooks.edit(who.tenant_id, endpoint_id, version, fields), response)


@router.delete("/{endpoint_id}", status_code=204, summary="Delete an endpoint")
async def delete_endpoint(endpoint_id: UUID, who: Owner, webhooks: Webhooks) -> None:
    """Deletes the endpoint, the deliveries that wait for it, and its log."""
    await webhooks.delete(who.tenant_id, endpoint_id)


@router.post(
    "/{endpoint_id}/rotate-secret", response_model=EndpointWithSecret, summary="Rotate an endpoint's secret"
)
async def rotate_secret(endpoint_id: UUID, who: Owner, key: Idempotency, webhooks: Webhooks) -> Response:
    """The old secret signs beside the new one for 24 hours."""
    return respond(await webhooks.rotate_secret(who.tenant_id, endpoint_id, key, _with_secret))


@router.post("/{endpoint_id}/test", status_code=201, response_model=DeliveryAnswer, summary="Send a test")
async def send_test(endpoint_id: UUID, who: Owner, key: Idempotency, webhooks: Webhooks) -> Response:
    """Sends a `webhook.test`, once: it is not tried again."""

    def answer(delivery: Delivery) -> DeliveryAnswer:
        return DeliveryAnswer(**_delivery_fields((delivery, [])))

    return respond(await webhooks.send_test(who.tenant_id, endpoint_id, key, answer))


@router.get("/{endpoint_id}/deliveries", summary="List deliveries")
async def list_deliveries(
    endpoint_id: UUID,
    who: Owner,
    paging: Paging,
    webhooks: Webhooks,
    status: DeliveryStatus | None = None,
    event_type: Annotated[Told | None, Query(alias="type")] = None,
) -> Page[DeliveryAnswer]:
    """The deliveries of the last 30 days, the newest first."""
    found = await webhooks.deliveries(
        who.tenant_id,
        endpoint_id,
        status=status,
        event_type=event_type,
        after=paging.after_id(),
        limit=paging.limit + 1,
    )
    shown = found[: paging.limit]
    cursor = encode_cursor(str(shown[-1][0].delivery_id)) if len(found) > paging.limit else None
    return Page(
        items=[DeliveryAnswer(**_delivery_fields(item)) for item in shown], next_cursor=paging.link(cursor)
    )


@router.get("/{endpoint_id}/deliveries/{delivery_id}", summary="Read a delivery")
async def read_delivery(
    endpoint_id: UUID, delivery_id: UUID, who: Owner, webhooks: Webhooks
) -> DeliveryDetail:
    logged = await webhooks.delivery(who.tenant_id, endpoint_id, delivery_id)
    return DeliveryDetail(**_delivery_fields(logged), payload=logged[0].body)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/resend", status_code=202, summary="Send a delivery again"
)
async def resend_delivery(
    endpoint_id: UUID, delivery_id: UUID, who: Owner, webhooks: Webhooks
) -> DeliveryAnswer:
    """Sends the delivery again at once, under the same webhook-id and with the full schedule of retries."""
    return DeliveryAnswer(**_delivery_fields(await webhooks.resend(who.tenant_id, endpoint_id, delivery_id)))
