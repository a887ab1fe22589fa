"""A billing process, a Stripe stand-in and what surrounds them, for the tests beside this file.

The test plays the operator (it writes tenants and reads statuses) and auth (it signs tokens and serves its keys);
Postgres and Kafka are the real ones that the fixtures give.
"""

import signal
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from contracts.billing import SubscriptionEvent
from contracts.booking import AppointmentBooked, AppointmentCancelled
from contracts.model import Event, Money
from contracts.platform import (
    BillingDetails,
    BillingSpec,
    DeletionPolicy,
    Limits,
    PlanSnapshot,
    TenantChanged,
    TenantState,
    TenantStatusReported,
)
from devstack.local_http import NO_TLS
from devstack.processes import free_port
from servicekit.clock import utc_now
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support import tenants
from support.databases import ServiceDatabase
from support.events import Topics, until
from support.logs import last_lines
from support.processes import SOON_GONE, served_keys
from support.programs import Program

API_KEY = "sk_test_world"
WEBHOOK_SECRET = "whsec_world"
PUBLIC_URL = "http://127.0.0.1:8080"
PRO = PlanSnapshot(name="pro", display_name="Pro", price=Money(amount=2900, currency="EUR"), interval="month")
TEAM = PlanSnapshot(
    name="team", display_name="Team", price=Money(amount=5900, currency="EUR"), interval="month"
)


def new_tenant(**fields: Any) -> TenantChanged:
    """A tenant on the plan Pro, billed by Stripe after a trial of 14 days."""
    given: dict[str, Any] = {
        "plan": PRO,
        "limits": Limits(bookings_per_month=100),
        "billing": BillingSpec(mode="Stripe", trial_days=14),
    }
    return tenants.new_tenant(**given | fields)


def again(tenant: TenantChanged, **fields: Any) -> TenantChanged:
    """The tenant's next generation, with these fields."""
    return tenant.model_copy(update={"generation": tenant.generation + 1} | fields)


def booked(tenant: TenantChanged, kind: type[AppointmentBooked] | type[AppointmentCancelled]) -> Event:
    """An appointment event of that kind, about an appointment of its own."""
    now = utc_now()
    extra = (
        {"source": "public", "confirmed": True} if kind is AppointmentBooked else {"cancelled_by": "staff"}
    )
    return kind.model_validate(
        {
            "tenant_id": tenant.tenant_id,
            "appointment_id": new_id(),
            "version": 1,
            "service_id": new_id(),
            "staff_ids": [new_id()],
            "customer_id": new_id(),
            "starts_at": now,
            "ends_at": now,
            "timezone": "UTC",
            "occurred_at": now,
            **extra,
        }
    )


@dataclass
class Child:
    """A process of ours, with its output in a file."""

    name: str
    arguments: list[str]
    env: dict[str, str]
    log: Path
    process: Program | None = None
    as_usual: bool = True

    def start(self, **env: str) -> None:
        self.as_usual = not env
        if "SLOTWRIGHT_FAULT" in env:
            env |= {f"SLOTWRIGHT_{name.upper()}": value for name, value in SOON_GONE.items()}
        self.process = Program(self.arguments, self.env | env, self.log)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
        self.wait()

    def wait(self, seconds: float = 60) -> int:
        """The exit code."""
        assert self.process is not None
        return self.process.wait(seconds)


@dataclass
class World:
    """What a test holds."""

    database: ServiceDatabase
    kafka_env: dict[str, str]
    super_user: dict[str, str]
    folder: Path
    minter: TokenMinter = field(default_factory=lambda: TokenMinter(issuer=PUBLIC_URL))

    def __post_init__(self) -> None:
        self.port, self.stripe_port, self.group = free_port(), free_port(), f"w{new_id().hex[-8:]}."
        self._cleanup = ExitStack()
        jwks_url = self._cleanup.enter_context(served_keys(self.minter))
        self.url = f"http://127.0.0.1:{self.port}"
        self.stripe_url = f"http://127.0.0.1:{self.stripe_port}"
        self.stripe = Child(
            "stripe",
            ["stripe_standin"],
            {
                "STRIPE_STANDIN_PORT": str(self.stripe_port),
                "STRIPE_STANDIN_API_KEY": API_KEY,
                "STRIPE_STANDIN_WEBHOOK_URL": f"{self.url}/webhooks/stripe",
                "STRIPE_STANDIN_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "STRIPE_STANDIN_STATE_FILE": str(self.folder / "stripe.sqlite"),
            },
            self.folder / "stripe.log",
        )
        self.billing = Child(
            "billing",
            ["billing", "all"],
            {
                "SLOTWRIGHT_PORT": str(self.port),
                "SLOTWRIGHT_DATABASE_URL": self.database.settings.database_url.get_secret_value(),
                "SLOTWRIGHT_KAFKA_GROUP_PREFIX": self.group,
                "SLOTWRIGHT_PUBLIC_URL": PUBLIC_URL,
                "SLOTWRIGHT_JWKS_URL": jwks_url,
                "SLOTWRIGHT_STRIPE_API_BASE": self.stripe_url,
                "SLOTWRIGHT_STRIPE_API_KEY": API_KEY,
                "SLOTWRIGHT_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
                **{f"SLOTWRIGHT_{name}": value for name, value in self.kafka_env.items()},
            },
            self.folder / "billing.log",
        )
        self.http = httpx.Client(verify=NO_TLS, timeout=10)
        self.topics = Topics(self.super_user)

    # processes

    def start_stripe(self) -> None:
        self.stripe.start()
        until(lambda: self._answers(f"{self.stripe_url}/_standin/health"), "the stand-in answers")

    def start_billing(self, **env: str) -> None:
        self.billing.start(**env)
        try:
            until(
                lambda: self._answers(f"{self.url}/readyz") or self.billing.process.poll() is not None,  # type: ignore[union-attr]  # started above
                "billing is ready",
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{last_lines(self.billing.log)}") from None

    def kill_billing_at(self, fault: str, tenant: TenantChanged) -> None:
        """Starts billing anew, tells it of the tenant, and sees it killed at that point."""
        self.billing.stop()
        self.start_billing(SLOTWRIGHT_FAULT=fault)
        self.publish(tenant)
        assert self.billing.wait() == -9

    def _answers(self, url: str) -> bool:
        try:
            return self.http.get(url).status_code == 200
        except httpx.TransportError:
            return False

    def restore(self) -> None:
        """Starts what a test has left stopped, or with settings of its own, and ends its mischief."""
        for child, start in ((self.stripe, self.start_stripe), (self.billing, self.start_billing)):
            if child.process is not None and not child.as_usual:
                child.stop()
            if child.process is None or child.process.poll() is not None:
                start()
        self.control("PUT", "/webhooks/mischief")
        self.control("DELETE", "/outage")
        self.control("PUT", "/dunning")

    def close(self) -> None:
        self.http.close()
        for child in (self.billing, self.stripe):
            if child.process is not None:
                child.stop()
        self._cleanup.close()

    # the operator's side

    def publish(self, event: Event) -> None:
        """Writes an event as its publisher would."""
        self.topics.publish(event)

    def statuses(self, tenant_id: UUID) -> list[TenantStatusReported]:
        """All that billing has answered about a tenant, in order."""
        read = self.read(TenantStatusReported.TOPIC)
        return [
            item
            for item in read
            if isinstance(item, TenantStatusReported)
            and item.tenant_id == tenant_id
            and item.component == "billing"
        ]

    def told(self, tenant_id: UUID) -> list[SubscriptionEvent]:
        """The subscription events about a tenant, in order."""
        read = self.read(SubscriptionEvent.TOPIC)
        return [item for item in read if isinstance(item, SubscriptionEvent) and item.tenant_id == tenant_id]

    def status(self, tenant: TenantChanged, answer: str, /, **billing: Any) -> TenantStatusReported:
        """Waits until billing's last answer for this generation is `answer`, with these billing details."""

        def matches() -> TenantStatusReported | None:
            last = next(iter(self.statuses(tenant.tenant_id)[::-1]), None)
            if last is None or last.generation != tenant.generation or last.state != answer:
                return None
            details = last.details.billing
            fits = all(getattr(details, name, None) == value for name, value in billing.items())
            return last if fits else None

        try:
            return until(matches, f"status {answer} {billing} of {tenant.tenant_id}")
        except AssertionError as error:
            seen = [
                (item.generation, item.state, item.reason, item.details)
                for item in self.statuses(tenant.tenant_id)
            ]
            raise AssertionError(f"{error}\nseen: {seen}\n{last_lines(self.billing.log)}") from None

    def provision(self, tenant: TenantChanged) -> TenantStatusReported:
        """Announces a tenant and waits until it is linked."""
        self.publish(tenant)
        return self.status(tenant, "ready")

    def linked(self) -> tuple[TenantChanged, BillingDetails]:
        """A new tenant that Stripe bills, with nothing left to do for it."""
        tenant = new_tenant()
        details = self.provision(tenant).details.billing
        assert details is not None
        self.idle(tenant)
        return tenant, details

    def idle(self, tenant: TenantChanged) -> None:
        """Waits until nothing is left to do for a tenant: its webhooks are in and what they say is fetched."""

        def at_rest() -> bool:
            """Looks in the order that work goes in, and at the end whether a task has led to more webhooks."""
            webhooks = self.control("GET", "/webhooks")
            return (
                webhooks["waiting"] == 0
                and not self.rows("SELECT 1 AS x FROM stripe_event WHERE handled_at IS NULL")
                and not self.rows("SELECT 1 AS x FROM task WHERE tenant_id = %s", tenant.tenant_id)
                and self.control("GET", "/webhooks") == webhooks
            )

        until(at_rest, "webhooks are delivered, events handled and the task is done")

    def delete(self, tenant: TenantChanged, policy: DeletionPolicy) -> TenantStatusReported:
        going = again(tenant, state=TenantState.DELETING, deletion_policy=policy)
        self.publish(going)
        return self.status(going, "deleted")

    def read(self, topic: str) -> list[Event]:
        """Everything on a topic, in order within a key."""
        return self.topics.events(topic)

    # a client's side

    def headers(self, tenant: TenantChanged, *, role: str = "owner") -> dict[str, str]:
        return self.minter.headers(tenant.tenant_id, role=role)

    def get(self, path: str, tenant: TenantChanged, *, role: str = "owner") -> httpx.Response:
        return self.http.get(f"{self.url}{path}", headers=self.headers(tenant, role=role))

    def post(
        self, path: str, tenant: TenantChanged, body: Any = None, *, role: str = "owner", **headers: str
    ) -> httpx.Response:
        sent = self.headers(tenant, role=role) | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.http.post(f"{self.url}{path}", headers=sent, json={} if body is None else body)

    # Stripe's side

    def control(self, method: str, where: str, /, **body: Any) -> Any:
        answer = self.http.request(
            method, f"{self.stripe_url}/_standin{where}", json=None if method == "GET" else body
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def objects(self, kind: str, **where: Any) -> list[dict[str, Any]]:
        """The stand-in's objects of a kind with these fields."""
        found: list[dict[str, Any]] = self.control("GET", f"/objects/{kind}")
        return [item for item in found if all(item.get(name) == value for name, value in where.items())]

    def customers(self, tenant: TenantChanged) -> list[dict[str, Any]]:
        return [
            item
            for item in self.objects("customer")
            if item["metadata"].get("tenant_id") == str(tenant.tenant_id)
        ]

    def subscriptions(self, tenant: TenantChanged) -> list[dict[str, Any]]:
        return [
            item
            for item in self.objects("subscription")
            if item["metadata"].get("tenant_id") == str(tenant.tenant_id)
        ]

    def call_stripe(self, method: str, path: str, **form: str) -> Any:
        """Stripe's API itself, as someone at its dashboard would use it."""
        answer = self.http.request(
            method, f"{self.stripe_url}{path}", data=form, headers={"Authorization": f"Bearer {API_KEY}"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of billing's database, past row level security."""
        return self.database.rows(statement, *values)
