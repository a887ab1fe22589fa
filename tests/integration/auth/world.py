"""An auth process on real parts (Postgres, Kafka, SMTP), businesses, people and a client, for the tests here.

The test plays the operator: it announces tenants and looks at what auth answers. A person gets in the way people
do: invited by mail, with the link that came.
"""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from contracts.model import Event
from contracts.platform import DeletionPolicy, Owner, TenantChanged, TenantState
from devstack.local_http import NO_TLS
from servicekit.ids import new_id
from support.broker import Broker
from support.databases import ServiceDatabase
from support.events import Topics, until
from support.mail import Mailpit
from support.processes import Running, run_service
from support.tenants import new_tenant

PASSWORD = "a green bicycle"
PUBLIC_URL = "http://127.0.0.1:8080"
ENCRYPTION_KEY = "A" * 43
_LINK = re.compile(re.escape(PUBLIC_URL) + r"/set-password#token=(\S+)")


@dataclass
class Person:
    """Somebody with a password, signed in at one business."""

    email: str
    session: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.session['access_token']}"}


@dataclass
class World:
    database: ServiceDatabase
    broker: Broker
    mailpit: Mailpit
    folder: Path
    http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=NO_TLS, timeout=30))
    url: str = ""

    def __post_init__(self) -> None:
        self._topics = Topics(self.broker.super_user())
        self.group_prefix = f"w{new_id().hex[-8:]}."
        # All tests share the topic, and auth would mail the owners of earlier tests' tenants.
        self._topics.pass_over(f"{self.group_prefix}auth.tenants", TenantChanged.TOPIC)

    @contextmanager
    def running(self, role: str = "all", **env: str) -> Iterator[Running]:
        """auth, as its own user at Postgres and Kafka; `env` overrides."""
        settings = {
            "database_url": self.database.settings.database_url.get_secret_value(),
            "database_pool_size": "8",
            "encryption_key": ENCRYPTION_KEY,
            "public_url": PUBLIC_URL,
            "smtp_port": str(self.mailpit.smtp_port),
            "kafka_group_prefix": self.group_prefix,
            "mail_lease_seconds": "1",
            "invitations_per_business": "5",
        }
        with run_service(
            "auth", role, self.folder, **settings | self.broker.service_env("auth") | env
        ) as service:
            self.url = service.url
            yield service

    # a client's side

    def call(
        self, method: str, path: str, person: Person | None = None, *, address: str = "", **options: Any
    ) -> httpx.Response:
        """A request from an address of its own, unless `address` names one."""
        sent = {"X-Forwarded-For": address or f"10.{secrets.randbelow(250)}.{secrets.randbelow(250)}.7"}
        sent |= options.pop("headers", {}) | (person.headers if person else {})
        return self.http.request(method, f"{self.url}{path}", headers=sent, **options)

    def post(
        self,
        path: str,
        body: Any,
        person: Person | None = None,
        *,
        key: str | None = None,
        address: str = "",
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.call("POST", path, person, json=body, headers=headers, address=address)

    def sign_in(self, email: str, *, password: str = PASSWORD, business: str | None = None) -> Person:
        body = {"email": email, "password": password} | ({"business": business} if business else {})
        answer = self.post("/v1/sessions", body)
        assert answer.status_code == 201, answer.text
        return Person(email, answer.json())

    def refresh(self, refresh_token: str) -> httpx.Response:
        return self.post("/v1/sessions/refresh", {"refresh_token": refresh_token})

    def set_password(self, token: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("/v1/passwords/reset", {"token": token, "password": password})

    # the operator's side

    def announce(self, tenant: TenantChanged) -> None:
        self.publish(tenant)

    def publish(self, event: Event) -> None:
        """Writes an event as its publisher would."""
        self._topics.publish(event)

    def status(self, tenant: TenantChanged, reason: str) -> dict[str, Any]:
        """Waits until auth's last answer about this generation has the reason."""

        def matches() -> dict[str, Any] | None:
            rows = self.rows("SELECT status FROM tenant_status WHERE tenant_id = %s", tenant.tenant_id)
            status: dict[str, Any] | None = rows[0]["status"] if rows else None
            fits = status and status["generation"] == tenant.generation and status["reason"] == reason
            return status if fits else None

        return until(matches, f"{reason} told about {tenant.tenant_id}")

    def business(self, *, email: str | None = None, **fields: Any) -> tuple[TenantChanged, Person]:
        """A business with its owner, who has accepted and is signed in."""
        email = email or new_email()
        tenant = new_tenant(owner=Owner(email=email, name="Ada"), **fields)
        self.announce(tenant)
        self.accept(email)
        return tenant, self.sign_in(email, business=tenant.slug)

    def colleague(self, owner: Person, *, email: str | None = None, role: str = "staff") -> Person:
        """Somebody invited by the owner, who has accepted and is signed in there."""
        email = email or new_email()
        before = len(self.mails(email))
        invited = self.post("/v1/invitations", {"email": email, "name": "Bo", "role": role}, owner)
        assert invited.status_code == 201, invited.text
        self.accept(email, count=before + 1)
        return self.sign_in(email, business=owner.session["businesses"][0]["slug"])

    def change(self, tenant: TenantChanged, **fields: Any) -> TenantChanged:
        """Announces the tenant's next generation."""
        changed = tenant.model_copy(update={"generation": tenant.generation + 1} | fields)
        self.announce(changed)
        return changed

    def delete(self, tenant: TenantChanged, policy: DeletionPolicy) -> dict[str, Any]:
        going = self.change(tenant, state=TenantState.DELETING, deletion_policy=policy)
        reason = "Erased" if policy is DeletionPolicy.DELETE else "Archived"
        return self.status(going, reason)

    # mail

    def mails(self, email: str) -> list[dict[str, Any]]:
        """The mails to an address, the oldest first, whole."""
        found = self.http.get(
            f"{self.mailpit.url}/api/v1/search", params={"query": f'to:"{email}"', "limit": 50}
        )
        ids = [item["ID"] for item in found.json()["messages"]]
        return [self.http.get(f"{self.mailpit.url}/api/v1/message/{id_}").json() for id_ in reversed(ids)]

    def links(self, email: str, *, count: int = 1) -> list[str]:
        """The tokens in the mails to an address, once there are `count`."""
        mails = until(lambda: _at_least(count, self.mails(email)), f"{count} mails to {email}")
        return [match[1] for mail in mails if (match := _LINK.search(mail["Text"]))]

    def accept(self, email: str, *, count: int = 1) -> None:
        """Follows the last link that came to an address, once `count` mails have."""
        answer = self.set_password(self.links(email, count=count)[-1])
        assert answer.status_code == 200, answer.text

    # behind the scenes

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of auth's database, past row level security."""
        return self.database.rows(statement, *values)

    def records(self, topic: str, key: str) -> list[dict[str, Any] | None]:
        """What stands on a topic under a key, in order; None for a tombstone."""
        client = Consumer(self.broker.super_user() | {"group.id": f"read-{new_id()}"})
        try:
            found: list[dict[str, Any] | None] = []
            for number in client.list_topics(topic, 10).topics[topic].partitions:
                _low, end = client.get_watermark_offsets(TopicPartition(topic, number), 10)
                client.assign([TopicPartition(topic, number, 0)])
                at = 0
                while at < end:
                    for message in client.consume(500, 0.5):
                        assert message.error() is None
                        at = (message.offset() or 0) + 1
                        if message.key() == key.encode():
                            value = message.value()
                            found.append(json.loads(value) if value else None)
            return found
        finally:
            client.close()


def _at_least(count: int, mails: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The mails, or none while there are fewer than `count`."""
    return mails if len(mails) >= count else []


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and slug."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]


ENDED = (401, "session-ended")


def new_email() -> str:
    return f"p{secrets.token_hex(6)}@riverside.example"


def wish(**fields: Any) -> dict[str, Any]:
    """A good sign-up."""
    return {
        "email": new_email(),
        "name": "Ada",
        "business_name": "Riverside Barbers",
        "slug": f"s-{secrets.token_hex(6)}",
        "plan": "pro",
        "timezone": "Europe/Lisbon",
        "locale": "en",
        "currency": "EUR",
    } | fields


def tenant_of(signup: dict[str, Any]) -> TenantChanged:
    """The tenant that the operator makes of a sign-up."""
    return new_tenant(
        slug=signup["slug"],
        display_name=signup["business_name"],
        owner=Owner(email=signup["email"], name=signup["name"]),
    )
