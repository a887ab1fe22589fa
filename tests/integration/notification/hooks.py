"""Webhooks without their process: the service layer and the sender on a real database, a real receiver and a clock
that tests set. For what takes days: the schedule, rotation, failing endpoints, the sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from pydantic import BaseModel, SecretStr

from contracts.booking import AppointmentBooked, AppointmentEvent
from contracts.envelope import Envelope
from contracts.platform import Owner, TenantChanged
from integration.notification.world import LINK_KEY, Salon
from notification.consumers import MessageRequests
from notification.delivery import MessageDeliveries
from notification.letters import Letters
from notification.providers import SmtpProvider
from notification.settings import NotificationSettings
from notification.store import put_customer, put_name
from notification.webhooks.claims import ClaimedDelivery
from notification.webhooks.consumers import WebhookEvents
from notification.webhooks.delivery import WebhookDeliveries
from notification.webhooks.domain import Delivery, Endpoint
from notification.webhooks.service import Logged, Shown, WebhookService
from notification.webhooks.settings import WebhookSettings
from servicekit.db import Database
from servicekit.ids import new_id
from servicekit.mail import Mailer, SmtpSettings
from servicekit.outbound import OutboundClient, OutboundSettings
from servicekit.sealing import Seal
from support.databases import ServiceDatabase
from support.receiver import Receiver
from support.tenants import know, new_tenant

NAME = "hooks.example"
FROM = "Slotwright <no-reply@slotwright.example>"


@dataclass
class Clock:
    """The time, as a test sets it; it goes on by `step` whenever it is read."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    step: timedelta = timedelta()

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    def pass_by(self, pause: timedelta) -> None:
        self.now += pause


@dataclass
class Names:
    """A name server whose answers are given one after another; the last one stays."""

    answers: list[Sequence[str]] = field(default_factory=lambda: [["127.0.0.1"]])

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Shown(BaseModel):
    """What the routes would answer: enough of it for a test."""

    id: UUID
    secret: str | None = None


@dataclass(frozen=True)
class Made:
    """An endpoint that was made; `secret` as its owner saw it."""

    endpoint_id: UUID
    path: str
    secret: str


def _shown(shown: Shown, secret: str | None) -> BaseModel:
    return _Shown(id=shown[0].endpoint_id, secret=secret)


class Hooks:
    """One business; `jitter` is what the schedule's randomness answers, from -1 to 1."""

    def __init__(self, database: ServiceDatabase, receiver: Receiver, *, local: bool = True) -> None:
        self.clock = Clock()
        self.names = Names()
        owner = Owner(email=f"o{new_id().hex[-12:]}@riverside.example", name="Ada")
        self.tenant: TenantChanged = new_tenant(owner=owner)
        self.receiver = receiver
        self.jitter = 0.0
        self.db = Database(database.settings, application="webhooks")
        self.seal = Seal(b"k" * 32)
        networks = (ip_network("127.0.0.0/8"),) if local else ()
        allowed = OutboundSettings(allow_http=True, allowed_networks=networks)
        self.outbound = OutboundClient(allowed, user_agent="Tests", resolve=self.names)
        self.service = WebhookService(self.db, self.outbound, self.seal, clock=self.clock)
        self.deliveries = self.another_sender()
        self.database = database
        self._admin_url = database.admin_url

    def another_sender(self, *, timeout: float = 5) -> WebhookDeliveries:
        """As another process would have; it waits `timeout` seconds for an answer."""
        settings = WebhookSettings(webhook_timeout=timeout, webhook_lease_seconds=60)
        return WebhookDeliveries(
            self.db, self.outbound, self.seal, settings, clock=self.clock, jitter=lambda: self.jitter
        )

    async def open(self) -> None:
        await self.db.open()
        await know(self.db, self.tenant)

    async def endpoint(self, *events: str, url: str | None = None) -> Made:
        """A new one, at a path of the receiver's own unless another address is given."""
        path = f"/{new_id().hex}"
        port = self.receiver.url.rpartition(":")[2]
        outcome = await self.service.add(
            self.tenant.tenant_id,
            None,
            url or f"http://{NAME}:{port}{path}",
            list(events) or ["*"],
            "",
            _shown,
        )
        made = _Shown.model_validate_json(outcome.body)
        assert made.secret is not None
        return Made(made.id, path, made.secret)

    async def rotated(self, made: Made) -> str:
        """The secret that has taken the place of the present one."""
        outcome = await self.service.rotate_secret(self.tenant.tenant_id, made.endpoint_id, None, _shown)
        secret = _Shown.model_validate_json(outcome.body).secret
        assert secret is not None
        return secret

    def booked(self, **fields: Any) -> AppointmentEvent:
        given = {
            "tenant_id": self.tenant.tenant_id,
            "appointment_id": new_id(),
            "version": 1,
            "service_id": new_id(),
            "staff_ids": [new_id()],
            "customer_id": new_id(),
            "starts_at": self.clock() + timedelta(days=1),
            "ends_at": self.clock() + timedelta(days=1, minutes=30),
            "timezone": "Europe/Lisbon",
            "occurred_at": self.clock(),
            "source": "public",
            "confirmed": True,
        }
        return AppointmentBooked.model_validate(given | fields)

    async def tell(self, event: AppointmentEvent, *, event_id: str | None = None) -> str:
        """What the consumer does with an event; answers the event's id."""
        told = event_id or str(new_id())
        envelope = Envelope(
            told,
            "/test",
            event.TYPE,
            self.clock(),
            event.key,
            event.tenant_id,
            event.model_dump_json().encode(),
        )
        async with self.db.tenant(event.tenant_id) as conn:
            await WebhookEvents(self.clock).queue(conn, event, envelope)
        return told

    async def test(self, made: Made) -> None:
        """Its owner asks for a test."""

        def shown(delivery: Delivery) -> BaseModel:
            return _Shown(id=delivery.delivery_id)

        await self.service.send_test(self.tenant.tenant_id, made.endpoint_id, None, shown)

    async def send(self, sender: WebhookDeliveries | None = None) -> int:
        """Sends what is due now, once each; answers how many there were."""
        using = sender or self.deliveries
        claimed = await using.claim(100)
        for item in claimed:
            await using.deliver(item)
        return len(claimed)

    async def read(self, made: Made) -> Endpoint:
        return (await self.service.endpoint(self.tenant.tenant_id, made.endpoint_id))[0]

    async def old_secret_until(self, made: Made) -> datetime | None:
        """As one endpoint and the list of them have it."""
        tenant_id = self.tenant.tenant_id
        _, until = await self.service.endpoint(tenant_id, made.endpoint_id)
        listed = await self.service.endpoints(tenant_id, None, 100)
        assert [ends for one, ends in listed if one.endpoint_id == made.endpoint_id] == [until]
        return until

    async def log(self, made: Made) -> list[Logged]:
        """Its deliveries, the oldest first."""
        found = await self.service.deliveries(
            self.tenant.tenant_id, made.endpoint_id, status=None, event_type=None, after=None, limit=200
        )
        return found[::-1]

    async def only(self, made: Made) -> Logged:
        (logged,) = await self.log(made)
        return logged

    async def claims(self, sender: WebhookDeliveries, limit: int = 100) -> list[ClaimedDelivery]:
        return await sender.claim(limit)

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows, past row level security."""
        return self.database.rows(statement, *values)


def sender(hooks: Hooks, smtp_port: int) -> MessageDeliveries:
    """What sends mails in a process."""
    settings = NotificationSettings(link_key=SecretStr(LINK_KEY), public_url="https://book.example")
    provider = SmtpProvider(Mailer(SmtpSettings(smtp_port=smtp_port)), "no-reply@slotwright.example")
    return MessageDeliveries(hooks.db, provider, Letters(), settings, mail_from=FROM, clock=hooks.clock)


async def send(delivery: MessageDeliveries) -> int:
    """Sends what is due now, once each; answers how many there were."""
    claimed = await delivery.claim(10)
    for item in claimed:
        await delivery.deliver(item)
    return len(claimed)


async def to_customer(hooks: Hooks) -> tuple[Salon, AppointmentEvent]:
    """A customer has booked, and a mail that says so is queued."""
    salon = Salon(hooks.tenant)
    booked = salon.booked(occurred_at=hooks.clock())
    told = Envelope(str(new_id()), "/test", booked.TYPE, hooks.clock(), booked.key, booked.tenant_id, b"")
    async with hooks.db.tenant(hooks.tenant.tenant_id) as conn:
        await put_customer(conn, salon.customer)
        for entity_id, name in ((salon.service.service_id, "Haircut"), (salon.staff.staff_id, "Bo")):
            await put_name(conn, hooks.tenant.tenant_id, entity_id, 1, name)
        await MessageRequests(timedelta(days=1), hooks.clock).appointment(conn, booked, told)
    return salon, booked
