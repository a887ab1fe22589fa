"""Tenants and plans as the API server gives them, for the tests of the kubectl plugin."""

from typing import Any

from kubectl_slotwright.objects import Plan, Tenant, plan_of, tenant_of

UID = "0195b3a0-0000-7000-8000-000000000001"
PARTS = ("BusinessRegistered", "OwnerInvited", "TopicsReady", "BillingLinked", "QuotaPublished")


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 2,
        "lastTransitionTime": "2026-03-09T10:00:00Z",
    }


def provisioned(**status: Any) -> dict[str, Any]:
    """The status of a tenant for which everything is done; fields of the caller's over it, None takes one away."""
    given: dict[str, Any] = {
        "observedGeneration": 2,
        "recordGeneration": 3,
        "tenantId": UID,
        "url": "https://book.example/b/riverside",
        "plan": "pro",
        "bookings": "12/2000",
        "entitlements": {"limits": {"bookingsPerMonth": 2000, "staff": 5}, "features": {"sms": True}},
        "usage": {"bookingsThisMonth": 12, "staff": 3, "services": 4, "observedAt": "2026-03-09T09:59:00Z"},
        "billing": {"customerId": "cus_1", "subscriptionId": "sub_1", "state": "trialing"},
        "eventStream": {
            "topic": "tenant.riverside.events.v1",
            "deadLetterTopic": "tenant.riverside.dlq.v1",
            "credentialsSecret": "tenant-riverside-kafka",
            "credentialsNamespace": "slotwright-tenants",
        },
        "conditions": [
            condition("Ready", "True", "Provisioned", "Every component serves this business."),
            condition("Reconciling", "False", "Provisioned", "Every component serves this business."),
            condition("Stalled", "False", "Provisioned", "Every component serves this business."),
            *(condition(kind, "True", "Done", "It is done.") for kind in PARTS),
        ],
    }
    return {name: value for name, value in (given | status).items() if value is not None}


def body(*, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "riverside", "uid": UID, "generation": 2},
        "spec": {"displayName": "Riverside Barbers", "plan": "pro"} | spec,
        "status": provisioned() if status is None else status,
    }


def tenant(*, status: dict[str, Any] | None = None, **spec: Any) -> Tenant:
    return tenant_of(body(status=status, **spec))


def plan(name: str = "pro", **spec: Any) -> Plan:
    given: dict[str, Any] = {
        "displayName": name.title(),
        "price": {"amount": 2900, "currency": "EUR", "interval": "month"},
        "limits": {"bookingsPerMonth": 2000},
    }
    return plan_of({"metadata": {"name": name}, "spec": given | spec})
