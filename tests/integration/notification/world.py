"""A notification process on a real Postgres, Kafka and SMTP server, for the tests beside this file.

The test plays the operator, business, booking and the scheduler (their events), and auth (it signs tokens).
"""

from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from pydantic import SecretStr

from contracts.booking import (
    AppointmentBooked,
    AppointmentEvent,
    Channel,
    Consent,
    CustomerChanged,
    WaitlistOffered,
)
from contracts.business import ServiceChanged, StaffChanged
from contracts.model import Money, TenantEvent
from contracts.notification import MessageEvent
from contracts.platform import TenantChanged, TenantStatusReported
from contracts.scheduler import ReminderDue
from devstack.local_http import NO_TLS
from devstack.mailpit import Mailbox, Mailpit
from servicekit.clock import utc_now
from servicekit.ids import new_id
from servicekit.links import AppointmentLinks, WaitlistLinks
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import ServiceDatabase
from support.events import Topics, until
from support.processes import Running, run_service
from support.reports import until_reported
from support.tenants import new_tenant

LINK_KEY = "k" * 40
WEBHOOK_KEY = "W" * 43
_OWN_FIELDS: dict[str, dict[str, Any]] = {
    "AppointmentBooked": {"source": "public", "confirmed": True},
    "AppointmentCancelled": {"cancelled_by": "customer"},
    "AppointmentRescheduled": {"rescheduled_by": "customer"},
}


SOON_LEFT = {"send_timeout": "2", "lease_seconds": "3"}
"""For a process whose attempts are to end without an answer. Others have the usual times: none of theirs may do so
where the machine is busy."""


class MailServer(Mailpit):
    """Takes mail to `.example` only, and can go away and come back under the same address."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, keep=False, recipients=r"\.example$")

    def mails(self, address: str) -> list[dict[str, Any]]:
        """The mails to an address, the oldest first, whole."""
        return Mailbox(self.url).to(address)


class Salon:
    """A business with a service, staff and a customer, as the events of others tell of them."""

    def __init__(self, tenant: TenantChanged, **customer: Any) -> None:
        self.tenant = tenant
        self.service = ServiceChanged(
            tenant_id=tenant.tenant_id,
            version=1,
            service_id=new_id(),
            name="Haircut",
            description="",
            duration_minutes=30,
            buffer_before_minutes=0,
            buffer_after_minutes=0,
            slot_step_minutes=30,
            minimum_notice_minutes=0,
            booking_window_days=60,
            cancellation_window_minutes=0,
            capacity=1,
            requires_confirmation=False,
            price=Money(amount=2500, currency="EUR"),
            staff_ids=[],
        )
        self.staff = StaffChanged(
            tenant_id=tenant.tenant_id,
            version=1,
            staff_id=new_id(),
            name="Bo",
            timezone="Europe/Lisbon",
            weekly_hours=[],
            exceptions=[],
        )
        given = {
            "tenant_id": tenant.tenant_id,
            "customer_id": new_id(),
            "version": 1,
            "name": "Ana Costa",
            "email": f"c{new_id().hex[-12:]}@riverside.example",
            "phone": "+351912345678",
            "locale": "en",
            "consent": Consent(email=True, sms=True),
        }
        self.customer = CustomerChanged.model_validate(given | customer)

    @property
    def email(self) -> str:
        assert self.customer.email is not None
        return self.customer.email

    def event(self, kind: type[AppointmentEvent], **fields: Any) -> AppointmentEvent:
        """An appointment event: of a new appointment two days ahead unless `fields` say otherwise."""
        starts_at = (utc_now() + timedelta(days=2)).replace(microsecond=0)
        given = {
            "tenant_id": self.tenant.tenant_id,
            "appointment_id": new_id(),
            "version": 1,
            "service_id": self.service.service_id,
            "staff_ids": [self.staff.staff_id],
            "customer_id": self.customer.customer_id,
            "starts_at": starts_at,
            "ends_at": fields.get("starts_at", starts_at) + timedelta(minutes=30),
            "timezone": self.tenant.timezone,
            "previous_starts_at": starts_at,
            "occurred_at": utc_now(),
        }
        return kind.model_validate(given | _OWN_FIELDS.get(kind.__name__, {}) | fields)

    def booked(self, **fields: Any) -> AppointmentEvent:
        return self.event(AppointmentBooked, **fields)

    def offered(self, **fields: Any) -> WaitlistOffered:
        """A time two days ahead, kept for the customer for a quarter of an hour."""
        now = utc_now()
        starts_at = (now + timedelta(days=2)).replace(microsecond=0)
        given = {
            "tenant_id": self.tenant.tenant_id,
            "entry_id": new_id(),
            "offer_id": new_id(),
            "service_id": self.service.service_id,
            "staff_ids": [self.staff.staff_id],
            "customer_id": self.customer.customer_id,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=30),
            "timezone": self.tenant.timezone,
            "expires_at": now + timedelta(minutes=15),
            "occurred_at": now,
        }
        return WaitlistOffered.model_validate(given | fields)

    def due(self, appointment: AppointmentEvent, **fields: Any) -> ReminderDue:
        """The reminder of an appointment, due now."""
        now = utc_now()
        given = {
            "tenant_id": self.tenant.tenant_id,
            "reminder_id": new_id(),
            "appointment_id": appointment.appointment_id,
            "appointment_version": appointment.version,
            "rule_id": new_id(),
            "channel": Channel.EMAIL,
            "service_id": appointment.service_id,
            "staff_ids": appointment.staff_ids,
            "customer_id": appointment.customer_id,
            "due_at": now,
            "fired_at": now,
            "starts_at": appointment.starts_at,
            "timezone": appointment.timezone,
        }
        return ReminderDue.model_validate(given | fields)


class World:
    """What a test holds; `start` and `stop` end and begin the same process anew."""

    def __init__(
        self, database: ServiceDatabase, broker: Broker, minter: TokenMinter, jwks_url: str, folder: Path
    ) -> None:
        self.database = database
        self.minter = minter
        self.topics = Topics(broker.super_user())
        self.post = MailServer(folder)
        self.post.start()
        self.links = AppointmentLinks(SecretStr(LINK_KEY))
        self.places = WaitlistLinks(SecretStr(LINK_KEY))
        self.http = httpx.Client(verify=NO_TLS, timeout=15)
        self._folder = folder
        group = f"w{new_id().hex[-8:]}."
        # Earlier tests' messages would reach the named crash points before ours.
        for topic in (AppointmentEvent.TOPIC, ReminderDue.TOPIC, WaitlistOffered.TOPIC):
            self.topics.pass_over(f"{group}notification.messages", topic)
        for topic in (AppointmentEvent.TOPIC, MessageEvent.TOPIC):
            self.topics.pass_over(f"{group}notification.webhooks", topic)
        self._env = broker.service_env("notification") | {
            "database_url": database.settings.database_url.get_secret_value(),
            "database_pool_size": "12",
            "kafka_group_prefix": group,
            "jwks_url": jwks_url,
            "public_url": minter.issuer,
            "smtp_port": str(self.post.smtp_port),
            "link_key": LINK_KEY,
            "webhook_key": WEBHOOK_KEY,
            "webhook_timeout": "5",
            "webhook_lease_seconds": "6",
            "outbound_allow_http": "true",
            "outbound_allowed_networks": '["127.0.0.0/8"]',
        }
        self._stack = ExitStack()
        self.running: Running | None = None

    def start(self, *, without: str = "", **env: str) -> Running:
        """In its role `all`, ready; `without` names a setting that it is not given."""
        given = {name: value for name, value in (self._env | env).items() if name != without}
        self.running = self._stack.enter_context(run_service("notification", "all", self._folder, **given))
        return self.running

    def second(self, role: str) -> AbstractContextManager[Running]:
        """Another process beside the first, in one of its roles."""
        return run_service("notification", role, self._folder, **self._env)

    def stop(self) -> None:
        self._stack.close()
        self.running = None

    def close(self) -> None:
        self.stop()
        self.post.stop()
        self.http.close()

    # what others tell

    def tenant(self, **fields: Any) -> TenantChanged:
        """A new business that notification has answered for."""
        tenant = new_tenant(**fields)
        self.topics.publish(tenant)
        self.answer(tenant)
        return tenant

    def salon(self, tenant: TenantChanged | None = None, **customer: Any) -> Salon:
        """With its catalog and its customer told."""
        made = Salon(tenant or self.tenant(), **customer)
        for event in (made.service, made.staff, made.customer):
            self.topics.publish(event)
        return made

    def erase(self, record: TenantEvent) -> str:
        """The tombstone that the record's publisher writes; answers its event's id."""
        event_id = str(new_id())
        headers = {
            "ce_specversion": b"1.0",
            "ce_id": event_id.encode(),
            "ce_source": b"/slotwright/test",
            "ce_type": record.TYPE.encode(),
            "ce_tenantid": str(record.tenant_id).encode(),
        }
        self.topics.put(record.TOPIC, record.key, None, headers)
        return event_id

    def answer(self, tenant: TenantChanged) -> TenantStatusReported:
        """What notification answers the operator about this generation of the tenant."""
        return until_reported(self.database, tenant)

    # what comes of it

    def mails(self, salon: Salon, count: int) -> list[dict[str, Any]]:
        """The customer's mails once there are `count`; fails when there are more."""

        def found() -> list[dict[str, Any]] | None:
            there = self.post.mails(salon.email)
            return there if len(there) >= count else None

        mails = until(found, f"{count} mails")
        assert len(mails) == count
        return mails

    def settled(self, salon: Salon, count: int) -> list[dict[str, Any]]:
        """The business's messages, the oldest first, once `count` have their final status and none has another."""

        def found() -> list[dict[str, Any]] | None:
            rows = self.messages(salon)
            done = len(rows) == count and all(row["settled_at"] for row in rows)
            return rows if done else None

        return until(found, f"{count} messages settled")

    def messages(self, salon: Salon) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT * FROM message WHERE tenant_id = %s ORDER BY message_id", salon.tenant.tenant_id
        )

    def outcomes(self, salon: Salon, count: int) -> list[MessageEvent]:
        """What notification tells on its topic about the business's messages, once there are `count`."""

        def found() -> list[MessageEvent] | None:
            told = [
                event
                for event in self.topics.events(MessageEvent.TOPIC, salon.tenant.tenant_id)
                if isinstance(event, MessageEvent)
            ]
            return told if len(told) >= count else None

        return until(found, f"{count} outcomes")

    def consumed(self, *event_ids: str) -> None:
        """Waits until all of these events are in the inbox of whoever writes messages, or what they stand on."""
        found = "SELECT 1 FROM inbox WHERE event_id = ANY(%s) AND consumer <> 'notification.webhooks'"
        until(
            lambda: len(self.rows(found, list(event_ids))) == len(set(event_ids)),
            f"{len(event_ids)} events are consumed",
        )

    def get(self, tenant_id: UUID, path: str = "", *, role: str = "owner", **query: str) -> httpx.Response:
        assert self.running is not None
        headers = self.minter.headers(tenant_id, role=role)
        return self.http.get(f"{self.running.url}/v1/messages{path}", params=query, headers=headers)

    def ask(
        self, tenant_id: UUID | None, method: str, path: str, *, role: str = "owner", **sent: Any
    ) -> httpx.Response:
        """Any request; as nobody in particular without a tenant."""
        assert self.running is not None
        headers = {"If-Match": "*"} | sent.pop("headers", {})
        if tenant_id is not None:
            headers |= self.minter.headers(tenant_id, role=role)
        return self.http.request(method, f"{self.running.url}{path}", headers=headers, **sent)

    def hooks(
        self, method: str, tenant_id: UUID, path: str = "", *, role: str = "owner", **sent: Any
    ) -> httpx.Response:
        """A request about webhook endpoints."""
        assert self.running is not None
        headers = self.minter.headers(tenant_id, role=role) | sent.pop("headers", {})
        return self.http.request(
            method, f"{self.running.url}/v1/webhook-endpoints{path}", headers=headers, **sent
        )

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows, past row level security."""
        return self.database.rows(statement, *values)


def in_a(moment: timedelta) -> datetime:
    """A whole second from now on."""
    return (utc_now() + moment).replace(microsecond=0)
