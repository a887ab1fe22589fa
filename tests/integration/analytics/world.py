"""An analytics process on a real Postgres and Kafka, for the tests beside this file.

The test plays the operator, booking, notification and billing (it writes their events), and auth (it signs tokens).
"""

from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from contracts.booking import AppointmentEvent, Channel
from contracts.notification import MessageEvent
from contracts.platform import TenantChanged, TenantStatusReported
from devstack.local_http import NO_TLS
from servicekit.clock import utc_now
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import ServiceDatabase
from support.events import Topics, until
from support.processes import Running, run_service
from support.reports import until_reported
from support.tenants import new_tenant

_OWN_FIELDS: dict[str, dict[str, Any]] = {
    "AppointmentBooked": {"source": "public", "confirmed": True},
    "AppointmentCancelled": {"cancelled_by": "customer"},
    "AppointmentRescheduled": {"rescheduled_by": "customer"},
    "MessageSent": {"provider": "smtp"},
    "MessageFailed": {"attempts": 5, "reason": "Rejected"},
    "MessageSuppressed": {"reason": "stale"},
}


def appointment(
    kind: type[AppointmentEvent], tenant: TenantChanged, starts_at: datetime, **fields: Any
) -> AppointmentEvent:
    """An appointment event of that kind, of an appointment of its own unless `fields` name one."""
    given = {
        "tenant_id": tenant.tenant_id,
        "appointment_id": new_id(),
        "version": 1,
        "service_id": new_id(),
        "staff_ids": [new_id()],
        "customer_id": new_id(),
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=30),
        "timezone": "UTC",
        "previous_starts_at": starts_at,
        "occurred_at": utc_now(),
    }
    return kind.model_validate(given | _OWN_FIELDS.get(kind.__name__, {}) | fields)


def message(
    outcome: type[MessageEvent], tenant: TenantChanged, occurred_at: datetime, **fields: Any
) -> MessageEvent:
    """What became of a message: of a reminder, unless `fields` say otherwise."""
    given = {
        "tenant_id": tenant.tenant_id,
        "message_id": new_id(),
        "kind": "reminder",
        "channel": Channel.EMAIL,
        "appointment_id": new_id(),
        "appointment_version": 1,
        "occurred_at": occurred_at,
    }
    return outcome.model_validate(given | _OWN_FIELDS[outcome.__name__] | fields)


class World:
    """What a test holds; `start` and `stop` end and begin the same process anew."""

    def __init__(
        self, database: ServiceDatabase, broker: Broker, minter: TokenMinter, jwks_url: str, folder: Path
    ) -> None:
        self.database = database
        self.minter = minter
        self.topics = Topics(broker.super_user())
        self.http = httpx.Client(verify=NO_TLS, timeout=15)
        self._folder = folder
        self._env = broker.service_env("analytics") | {
            "database_url": database.settings.database_url.get_secret_value(),
            "kafka_group_prefix": f"w{new_id().hex[-8:]}.",
            "jwks_url": jwks_url,
            "public_url": minter.issuer,
        }
        self._stack = ExitStack()
        self.running: Running | None = None

    def start(self, **env: str) -> Running:
        """In its role `all`, ready."""
        self.running = self._stack.enter_context(
            run_service("analytics", "all", self._folder, **self._env | env)
        )
        return self.running

    def stop(self) -> None:
        self._stack.close()
        self.running = None

    def tenant(self, **fields: Any) -> TenantChanged:
        """A new business that analytics has answered for."""
        tenant = new_tenant(**fields)
        self.topics.publish(tenant)
        self.answer(tenant)
        return tenant

    def answer(self, tenant: TenantChanged) -> TenantStatusReported:
        """What analytics answers the operator about this generation of the tenant."""
        return until_reported(self.database, tenant)

    def get(self, tenant_id: UUID, *, role: str = "owner", **query: str) -> httpx.Response:
        assert self.running is not None
        headers = self.minter.headers(tenant_id, role=role)
        return self.http.get(f"{self.running.url}/v1/analytics/daily", params=query, headers=headers)

    def day(self, tenant: TenantChanged, day: str) -> dict[str, Any]:
        """The figures of one day, those that are zero (or null) left out."""
        answer = self.get(tenant.tenant_id, **{"from": day, "to": day})
        assert answer.status_code == 200, answer.text
        (item,) = answer.json()["items"]
        assert item.pop("date") == day
        return {name: value for name, value in item.items() if value}

    def shows(self, tenant: TenantChanged, day: str, **expected: Any) -> None:
        """Waits until the day's figures are these, and the others zero."""
        until(lambda: self.day(tenant, day) == expected, f"{day} shows {expected}")

    def consumed(self, *event_ids: str) -> None:
        """Waits until all of these events are in the inbox."""
        found = "SELECT 1 FROM inbox WHERE consumer = 'analytics.figures' AND event_id = ANY(%s)"
        until(
            lambda: len(self.rows(found, list(event_ids))) == len(set(event_ids)),
            f"{len(event_ids)} events are consumed",
        )

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows, past row level security."""
        return self.database.rows(statement, *values)
