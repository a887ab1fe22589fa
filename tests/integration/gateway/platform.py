"""The platform as it runs: every service that exists, as a process, behind a gateway process.

The test plays the operator alone (it announces tenants); tokens are auth's own, got by a password that was set by
a mailed link. Used by test_platform.py and test_bad_input.py.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from contracts.platform import TenantChanged
from devstack.local_http import NO_TLS
from devstack.processes import free_port
from integration.auth.world import PUBLIC_URL, Person
from integration.auth.world import World as AuthWorld
from support.broker import Broker
from support.databases import Databases
from support.events import until
from support.mail import Mailpit
from support.processes import Running, run_service

__all__ = ["PUBLIC_URL", "SERVICES", "WEBHOOK_SECRET", "Platform"]

SERVICES = ("business", "booking", "notification", "billing", "analytics")
"""Those with a database and routes besides auth."""
LINK_KEY = "k" * 40
WEBHOOK_SECRET = "whsec_platform"


@dataclass
class Platform:
    """`url` is the gateway's; `direct` the services' own addresses, past it."""

    url: str
    log: Path
    direct: dict[str, str]
    admin_urls: dict[str, str]
    auth: AuthWorld
    http: httpx.Client
    _auth_process: Running
    _stack: ExitStack

    @staticmethod
    def start(
        stack: ExitStack, databases: Databases, broker: Broker, mailpit: Mailpit, folder: Path
    ) -> "Platform":
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        auth = AuthWorld(databases.for_service("auth"), broker, mailpit, folder)
        stack.callback(auth.http.close)
        auth_process = stack.enter_context(auth.running())
        jwks = f"{auth.url}/.well-known/jwks.json"
        direct = {"auth": auth.url}
        admin_urls = {"auth": auth.database.admin_url}
        for name in SERVICES:
            database = databases.for_service(name)
            admin_urls[name] = database.admin_url
            running = stack.enter_context(
                run_service(
                    name,
                    "all",
                    folder,
                    database_url=database.settings.database_url.get_secret_value(),
                    jwks_url=jwks,
                    link_key=LINK_KEY,
                    smtp_port=str(mailpit.smtp_port),
                    stripe_webhook_secret=WEBHOOK_SECRET,
                    webhook_key="W" * 43,
                    outbound_allow_http="true",
                    outbound_allowed_networks='["127.0.0.0/8"]',
                    public_url=PUBLIC_URL,
                    # None runs out while requests are compared with what they leave behind.
                    hold_seconds="3600",
                    **broker.service_env(name),
                )
            )
            direct[name] = running.url
        web = stack.enter_context(
            run_service(
                "web", "all", folder, gateway_url=url, cookie_key=secrets.token_hex(), public_url=PUBLIC_URL
            )
        )
        direct["web"] = web.url
        gateway = stack.enter_context(
            run_service(
                "gateway",
                "all",
                folder,
                port=str(port),
                jwks_url=jwks,
                public_url=PUBLIC_URL,
                upstreams=json.dumps(direct),
                trusted_proxies=json.dumps(["127.0.0.1/32"]),
                **broker.service_env("gateway"),
            )
        )
        http = stack.enter_context(httpx.Client(verify=NO_TLS, base_url=url, timeout=30))
        return Platform(url, gateway.log, direct, admin_urls, auth, http, auth_process, stack)

    @contextmanager
    def without_auth(self) -> Iterator[None]:
        """auth is killed for the time of the block."""
        self._auth_process.kill()
        try:
            yield
        finally:
            port = str(httpx.URL(self.direct["auth"]).port)
            self._auth_process = self._stack.enter_context(self.auth.running(port=port))

    def business(self, **fields: Any) -> tuple[TenantChanged, Person]:
        """A business with its owner, signed in, known to the gateway, business and booking."""
        tenant, owner = self.auth.business(**fields)
        until(lambda: self.call("GET", "/v1/business", owner).status_code == 200, "business knows it")
        until(lambda: self.call("GET", "/v1/appointments", owner).status_code == 200, "booking knows it")
        return tenant, owner

    def call(self, method: str, path: str, person: Person | None = None, **sent: Any) -> httpx.Response:
        """A request through the gateway, as someone when named."""
        headers = (person.headers if person else {}) | sent.pop("headers", {})
        return self.http.request(method, path, headers=headers, **sent)

    def create(self, path: str, body: Any, person: Person | None = None) -> dict[str, Any]:
        """What a POST with a key of its own made."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        answer = self.call("POST", path, person, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made
