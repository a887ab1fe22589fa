"""The objects that the operator makes, as pure functions of what they stand for.

Called by `actions`, `reconciler` and `signups`, and by whoever needs the names of a business's user and Secret.
Nothing here talks to anything.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict
from uuid import UUID

from contracts.auth import SignupRequested
from contracts.topics import tenant_dead_letter_topic, tenant_topic
from tenant_operator.domain import API_VERSION, GROUP, ROWS, SIGNUP

MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "slotwright-operator"
TENANT_LABEL = f"{GROUP}/tenant"
TENANT_ID = f"{GROUP}/tenant-id"
MECHANISM = "SCRAM-SHA-512"
_AUTHORITY = "ssl.ca.pem"
_NOTE_BYTES = 1024
"""The API server refuses a longer one, and counts bytes."""


def secret_name(slug: str) -> str:
    return f"tenant-{slug}-kafka"


def kafka_user(slug: str) -> str:
    return f"tenant-{slug}"


def group_prefix(slug: str) -> str:
    """What a business's consumer groups begin with. The dot keeps `river` out of `riverside`."""
    return f"tenant.{slug}."


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whom a credentials Secret was made for, and whether it has the brokers' authority of today."""

    tenant_id: str | None
    current: bool


def credentials_secret(
    slug: str,
    tenant_id: str,
    namespace: str,
    password: str,
    *,
    bootstrap: str,
    protocol: str,
    authority: str | None = None,
) -> dict[str, Any]:
    """The Secret with which a business reads its own events. Keys are librdkafka's properties where it has one.

    `authority`: the certificates (PEM) by which a client knows the brokers; None where the public ones do.
    """
    values = {
        "bootstrap.servers": bootstrap,
        "security.protocol": protocol,
        "sasl.mechanism": MECHANISM,
        "sasl.username": kafka_user(slug),
        "sasl.password": password,
        "group.id.prefix": group_prefix(slug),
        "topic": tenant_topic(slug),
        "dead-letter-topic": tenant_dead_letter_topic(slug),
        **({_AUTHORITY: authority} if authority is not None else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(slug),
            "namespace": namespace,
            "labels": {MANAGED_BY: OPERATOR, TENANT_LABEL: slug},
            "annotations": {TENANT_ID: tenant_id},
        },
        "type": "Opaque",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()},
    }


def tenant_id_in(secret: Mapping[str, Any]) -> str | None:
    """The tenant that a credentials Secret was made for."""
    value: str | None = (secret["metadata"].get("annotations") or {}).get(TENANT_ID)
    return value


def password_in(secret: Mapping[str, Any]) -> str | None:
    """The password that a credentials Secret holds; None when somebody took it out, or put in what is no text."""
    try:
        return (_value_in(secret, "sasl.password") or b"").decode() or None
    except UnicodeDecodeError:
        return None


def credentials_in(secret: Mapping[str, Any], authority: str | None) -> Credentials:
    """What a credentials Secret is, where `authority` is today's. Whatever somebody has put into it can be read."""
    today = None if authority is None else authority.encode()
    return Credentials(tenant_id_in(secret), _value_in(secret, _AUTHORITY) == today)


def _value_in(secret: Mapping[str, Any], name: str) -> bytes | None:
    value = (secret.get("data") or {}).get(name)
    return None if value is None else base64.b64decode(value)


def tenant_of_signup(signup: SignupRequested) -> dict[str, Any]:
    """The Tenant object that a sign-up asks for."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Tenant",
        "metadata": {
            "name": signup.slug,
            "labels": {MANAGED_BY: OPERATOR},
            "annotations": {SIGNUP: str(signup.signup_id)},
        },
        "spec": {
            "displayName": signup.display_name,
            "owner": {"email": signup.owner_email, "name": signup.owner_name},
            "plan": signup.plan,
            "timezone": signup.timezone,
            "locale": signup.locale,
            "currency": signup.currency,
        },
    }


class Regarding(TypedDict):
    """What an Event is about."""

    apiVersion: str
    kind: str
    name: str
    uid: str


def about(kind: str, name: str, uid: UUID) -> Regarding:
    return {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": str(uid)}


def event(
    regarding: Regarding,
    name: str,
    *,
    kind: Literal["Normal", "Warning"],
    reason: str,
    message: str,
    now: str,
    rows: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """An Event under that name; those of cluster-scoped objects stand in `default`. `rows` go in an annotation."""
    annotations = {ROWS: json.dumps(rows, sort_keys=True)} if rows is not None else {}
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": name,
            "namespace": "default",
            **({"annotations": annotations} if annotations else {}),
        },
        "eventTime": now,
        "reportingController": "slotwright.io/operator",
        "reportingInstance": OPERATOR,
        "action": "Reconcile",
        "type": kind,
        "reason": reason,
        "note": message.encode()[:_NOTE_BYTES].decode(errors="ignore"),
        "regarding": regarding,
    }
