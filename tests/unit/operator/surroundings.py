"""Tenants, plans and answers for the operator's unit tests, and the loop of the controller without effects."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from contracts.platform import (
    BillingDetails,
    Component,
    ComponentState,
    StatusDetails,
    TenantChanged,
    TenantStatusReported,
)
from tenant_operator.domain import (
    FINALIZER,
    Observed,
    PlanObject,
    StreamState,
    TenantObject,
    TopicState,
    parse_plan,
    parse_tenant,
)
from tenant_operator.reconcile import (
    Action,
    AddFinalizer,
    DropStream,
    Forget,
    Publish,
    PutStream,
    RemoveFinalizer,
    reconcile,
)

_CRD = yaml.safe_load((Path(__file__).parents[3] / "crds" / "tenants.yaml").read_text("utf-8"))
SCHEMA = _CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
NEW_STATUS = SCHEMA["status"]["default"]
"""What the API server gives a new Tenant."""
NOW = datetime(2026, 3, 9, 10, 0, tzinfo=UTC)
UID = UUID("0195b3a0-0000-7000-8000-000000000001")
PLAN_UID = UUID("0195b3a0-0000-7000-8000-000000000002")


def plan_body(**spec: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "displayName": "Pro",
        "price": {"amount": 2900, "currency": "EUR", "interval": "month"},
        "limits": {"bookingsPerMonth": 2000, "staff": 25},
        "features": {"sms": True},
    }
    return {"metadata": {"name": "pro", "uid": str(PLAN_UID), "generation": 1}, "spec": given | spec}


def tenant_body(metadata: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "displayName": "Riverside Barbers",
        "owner": {"email": "ada@riverside.example", "name": "Ada"},
        "plan": "pro",
        "timezone": "Europe/Lisbon",
        "currency": "EUR",
        "billing": {"mode": "Stripe", "trialDays": 14},
    }
    about = {"name": "riverside", "uid": str(UID), "generation": 1}
    return {"metadata": about | dict(metadata or {}), "spec": given | spec, "status": NEW_STATUS}


def tenant(metadata: Mapping[str, Any] | None = None, **spec: Any) -> TenantObject:
    return parse_tenant(tenant_body(metadata, **spec))


def plan(**spec: Any) -> PlanObject:
    return parse_plan(plan_body(**spec))


def answer(
    component: Component,
    generation: int,
    state: ComponentState = ComponentState.READY,
    **details: Any,
) -> TenantStatusReported:
    return TenantStatusReported(
        tenant_id=UID,
        component=component,
        generation=generation,
        state=state,
        reason="Provisioned" if state is ComponentState.READY else "Broken",
        message=f"{component.value} says so.",
        details=StatusDetails(**details),
    )


def details_of(component: Component) -> dict[str, Any]:
    """What a component tells when all is well."""
    if component is Component.AUTH:
        return {"owner_invited": True}
    if component is Component.BILLING:
        return {"billing": BillingDetails(customer_id="cus_1", subscription_id="sub_1", state="trialing")}
    return {}


class Surroundings:
    """One tenant and all that is around it; `settle` does what the controller does, in memory."""

    def __init__(self, subject: TenantObject | None = None, of: PlanObject | None = None) -> None:
        self.tenant = subject or tenant()
        self.plan: PlanObject | None = of or plan()
        self.published: TenantChanged | None = None
        self.acknowledged = True
        self.answers: dict[Component, TenantStatusReported] = {}
        self.stream = StreamState()
        self.namesake = False
        self.forgotten = False
        self.now = NOW
        self.done: list[Action] = []
        self.writes = 0

    def observed(self) -> Observed:
        return Observed(
            now=self.now,
            public_url="https://book.example",
            tenants_namespace="slotwright-tenants",
            published=self.published,
            acknowledged=self.acknowledged,
            answers=dict(self.answers),
            stream=self.stream,
            namesake=self.namesake,
            forgotten=self.forgotten,
        )

    def settle(self) -> Mapping[str, Any]:
        """Reconciles until nothing is left to do; answers the status."""
        for _ in range(10):
            decision = reconcile(self.tenant, self.plan, self.observed())
            for action in decision.actions:
                self.apply(action)
            if RemoveFinalizer() in decision.actions:
                return self.tenant.status
            if not decision.actions:
                if decision.status != self.tenant.status:
                    self.tenant = replace(self.tenant, status=decision.status)
                    self.writes += 1
                return self.tenant.status
        raise AssertionError(f"it does not settle: {self.done[-6:]}")

    def apply(self, action: Action) -> None:
        self.done.append(action)
        match action:
            case AddFinalizer():
                self.tenant = replace(self.tenant, finalizers=(*self.tenant.finalizers, FINALIZER))
            case RemoveFinalizer():
                self.tenant = replace(self.tenant, finalizers=())
            case PutStream(wanted):
                topics = {
                    name: TopicState(
                        max(self.stream.partitions(name), wanted.partitions), wanted.retention_hours
                    )
                    for name in wanted.topics
                }
                self.stream = StreamState(topics, True, True, True)
            case DropStream():
                self.stream = StreamState()
            case Publish(record):
                self.published, self.acknowledged, self.forgotten = record, True, False
            case Forget():
                self.published, self.forgotten = None, True
                self.answers = {}
            case _:
                pass

    def answer(
        self, component: Component, state: ComponentState = ComponentState.READY, **details: Any
    ) -> None:
        assert self.published is not None
        told = details or (details_of(component) if state is ComponentState.READY else {})
        self.answers[component] = answer(component, self.published.generation, state, **told)

    def answer_all(self, state: ComponentState = ComponentState.READY) -> None:
        for component in Component:
            self.answer(component, state)

    def condition(self, kind: str) -> tuple[str, str, str]:
        item = self.tenant.conditions[kind]
        return item["status"], item["reason"], item["message"]
