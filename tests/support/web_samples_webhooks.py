"""What notification answers about webhooks, made with its own models."""

import datetime as dt
from typing import Any
from uuid import UUID

from notification.webhooks.routes import (
    AttemptDetail,
    DeliveryAnswer,
    DeliveryDetail,
    EndpointAnswer,
    EndpointWithSecret,
)

ENDPOINT, DELIVERY, EVENT = (UUID(int=number) for number in (60, 61, 62))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOON = dt.datetime(2030, 7, 1, 12, tzinfo=dt.UTC)
PAYLOAD = '{"type":"appointment.booked","timestamp":"2030-07-01T12:00:00Z","data":{"note":"<b>"}}'


def _endpoint(changes: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": ENDPOINT,
        "version": 3,
        "url": "https://crm.example/hooks?token=a&b",
        "events": ["appointment.booked", "appointment.cancelled"],
        "description": "Our <CRM>",
        "enabled": True,
        "disabled_reason": None,
        "disabled_at": None,
        "failing_since": None,
        "old_secret_until": None,
        "created_at": NOON,
    } | changes


def endpoint(**changes: Any) -> dict[str, Any]:
    return EndpointAnswer(**_endpoint(changes)).model_dump(mode="json")


def off(reason: str, **changes: Any) -> dict[str, Any]:
    """One that is disabled."""
    return endpoint(enabled=False, disabled_reason=reason, disabled_at=NOON, **changes)


def with_secret(secret: str | None = SECRET) -> dict[str, Any]:
    return EndpointWithSecret(**_endpoint({}), secret=secret).model_dump(mode="json")


def attempt(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "number": 1,
        "began_at": NOON,
        "duration_ms": 31,
        "http_status": 204,
        "error": None,
        "response": "",
    }
    return values | changes


def _delivery(changes: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": DELIVERY,
        "webhook_id": str(EVENT),
        "type": "appointment.booked",
        "status": "delivered",
        "reason": None,
        "attempts": [attempt()],
        "created_at": NOON,
        "next_attempt_at": None,
        "settled_at": NOON,
    } | changes


def delivery(**changes: Any) -> dict[str, Any]:
    """As the log lists it."""
    values = _delivery(changes)
    values["attempts"] = [
        {name: value for name, value in item.items() if name != "response"} for item in values["attempts"]
    ]
    return DeliveryAnswer(**values).model_dump(mode="json")


def delivery_detail(**changes: Any) -> dict[str, Any]:
    values = _delivery({"payload": PAYLOAD} | changes)
    values["attempts"] = [AttemptDetail(**item) for item in values["attempts"]]
    return DeliveryDetail(**values).model_dump(mode="json")
