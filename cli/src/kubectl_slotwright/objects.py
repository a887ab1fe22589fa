"""Tenants and Plans as the API server gives them, as far as the commands need them. Pure.

Every part of a status may be missing: the operator may be of another release, or may not have come to it yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAUSED_ANNOTATION = "slotwright.io/paused"
ABANDON_ANNOTATION = "slotwright.io/abandon"
READY = "Ready"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """`status` is True, False or Unknown; `generation` that of the spec it is about, None when not said."""

    type: str
    status: str
    reason: str
    message: str
    generation: int | None = None
    since: str | None = None


NOT_SEEN = Condition(READY, "Unknown", "NotSeen", "The operator has not looked at it yet; is it running?")


@dataclass(frozen=True, slots=True)
class Tenant:
    """One Tenant object; `spec` and `status` have the API server's names."""

    name: str
    uid: str
    generation: int
    spec: Body
    status: Body
    annotations: Mapping[str, str]
    deleted_at: str | None

    @property
    def tenant_id(self) -> str:
        """Its id in every service: the object's, or the one that it had before it was lost and made anew."""
        return str(self.spec.get("tenantId") or self.uid)

    @property
    def conditions(self) -> dict[str, Condition]:
        """By type, in the operator's order."""
        return {
            item["type"]: Condition(
                item["type"],
                item.get("status", "Unknown"),
                item.get("reason", ""),
                item.get("message", ""),
                item.get("observedGeneration"),
                item.get("lastTransitionTime"),
            )
            for item in self.status.get("conditions") or ()
        }

    @property
    def ready(self) -> Condition:
        """NOT_SEEN while the operator has not written any."""
        return self.conditions.get(READY, NOT_SEEN)

    @property
    def observed_generation(self) -> int | None:
        found: int | None = self.status.get("observedGeneration")
        return found

    @property
    def current(self) -> bool:
        """Whether the status is about the spec as it is now."""
        return self.observed_generation == self.generation

    @property
    def paused(self) -> bool:
        return self.annotations.get(PAUSED_ANNOTATION) == "true"

    @property
    def plan(self) -> str:
        return str(self.spec.get("plan", ""))

    @property
    def display_name(self) -> str:
        return str(self.spec.get("displayName", ""))

    @property
    def subscription_state(self) -> str | None:
        found: str | None = (self.status.get("billing") or {}).get("state")
        return found

    @property
    def usage(self) -> Body:
        return self.status.get("usage") or {}

    @property
    def limits_in_force(self) -> Mapping[str, int] | None:
        """None while the operator has published none; a limit that is not among them is unlimited."""
        entitlements = self.status.get("entitlements")
        return None if entitlements is None else entitlements.get("limits") or {}

    @property
    def features_in_force(self) -> Mapping[str, bool]:
        """Those that its plan names, as the operator published them last."""
        return (self.status.get("entitlements") or {}).get("features") or {}


def tenant_of(body: Body) -> Tenant:
    metadata = body["metadata"]
    return Tenant(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        spec=body.get("spec") or {},
        status=body.get("status") or {},
        annotations=metadata.get("annotations") or {},
        deleted_at=metadata.get("deletionTimestamp"),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """One Plan object; `spec` has the API server's names. One that is going takes no new tenants."""

    name: str
    spec: Body
    going: bool = False

    @property
    def limits(self) -> Mapping[str, int]:
        """One that is left out is unlimited."""
        return self.spec.get("limits") or {}

    @property
    def features(self) -> Mapping[str, bool]:
        return self.spec.get("features") or {}

    @property
    def event_stream(self) -> Body:
        return self.spec.get("eventStream") or {}

    @property
    def price(self) -> Body:
        return self.spec.get("price") or {}


def plan_of(body: Body) -> Plan:
    metadata = body["metadata"]
    return Plan(metadata["name"], body.get("spec") or {}, going=bool(metadata.get("deletionTimestamp")))


@dataclass(frozen=True, slots=True)
class Event:
    """One Event about an object, `type` Normal or Warning; `annotations` are its own."""

    time: str
    type: str
    reason: str
    message: str
    annotations: Mapping[str, str]


def event_of(body: Body) -> Event:
    metadata = body["metadata"]
    series = body.get("series") or {}
    time = (
        series.get("lastObservedTime")
        or body.get("eventTime")
        or body.get("deprecatedLastTimestamp")
        or metadata.get("creationTimestamp")
        or ""
    )
    return Event(
        time=time,
        type=body.get("type", "Normal"),
        reason=body.get("reason", ""),
        message=body.get("note", ""),
        annotations=metadata.get("annotations") or {},
    )
