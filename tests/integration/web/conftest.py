"""web, the gateway, business, booking and notification as processes, with real Postgres, Kafka and a mail server.

The test plays the operator (it writes the tenant) and auth (it signs tokens and serves its keys). A dashboard's
session is sealed with the key that web was given, as after a login.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from contracts.platform import TenantChanged
from devstack.local_http import LOCAL_HTTP, NO_TLS
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.events import Topics, until
from support.mail import Mailpit
from support.processes import run_service, served_keys
from support.tenants import new_tenant
from web.cookies import CookieBox
from web.sessions import COOKIE, Session

PUBLIC_URL = "http://127.0.0.1:8080"
COOKIE_KEY = "the cookie key of the integration tests"


@dataclass
class Site:
    """What a person's browser reaches, and the way past it for what a test has to know."""

    pages: str
    gateway: str
    minter: TokenMinter
    booking_admin_url: str
    topics: Topics

    def open_business(self) -> TenantChanged:
        """A new tenant, announced as the operator does, and known by the gateway's upstreams."""
        tenant = new_tenant()
        self.topics.publish(tenant)
        with Browser(self.pages) as browser:
            until(lambda: browser.get(f"/b/{tenant.slug}").status_code == 200, "the booking page")
        # Each follows the tenants' topic by itself: business may know a tenant before the others do.
        with self.browser(owner_of=tenant) as owner:

            def known() -> bool:
                pages = ("/dashboard/staff", "/dashboard/messages")
                return all(owner.get(page).status_code == 200 for page in pages)

            until(known, "the gateway and notification know the business")
        return tenant

    def browser(self, owner_of: TenantChanged | None = None) -> "Browser":
        """A browser; signed in as an owner when a tenant is given."""
        browser = Browser(self.pages)
        if owner_of is not None:
            session = Session(
                access_token=self.minter.token(owner_of.tenant_id),
                refresh_token="none",
                expires_at=time.time() + 600,
                session_id=str(new_id()),
                business_id=str(owner_of.tenant_id),
                business_slug=owner_of.slug,
                role="owner",
            )
            browser.cookies.set(COOKIE, CookieBox(COOKIE_KEY).seal("session", asdict(session)))
        return browser

    def call(self, owner_of: TenantChanged, method: str, path: str, **sent: Any) -> Any:
        """What the API answers the owner, for what no page does."""
        headers = self.minter.headers(owner_of.tenant_id, role="owner") | {"If-Match": "*"}
        answer = LOCAL_HTTP.request(method, f"{self.gateway}{path}", headers=headers, timeout=30, **sent)
        assert answer.is_success, answer.text
        return answer.json()

    def appointments(self, tenant: TenantChanged) -> list[str]:
        """The states of the tenant's appointments, past row level security."""
        with psycopg.connect(self.booking_admin_url) as conn:
            statement = b"SELECT status FROM appointment WHERE tenant_id = %s ORDER BY starts_at"
            return [row[0] for row in conn.execute(statement, (tenant.tenant_id,)).fetchall()]


class Browser(httpx.Client):
    """Keeps cookies, follows redirects, and sends forms as they stand in the page."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url=base_url, follow_redirects=True, timeout=30, verify=NO_TLS)

    def submit(
        self, page: httpx.Response, action: str, data: dict[str, str] | None = None, *, files: Any = None
    ) -> httpx.Response:
        """Sends the page's form with this action; hidden fields go with it."""
        forms = [
            part for part in re.findall(r"<form.*?</form>", page.text, re.S) if f'action="{action}"' in part
        ]
        assert forms, f"no form for {action} in\n{page.text}"
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', forms[0])
        return self.post(action, data=dict(hidden) | (data or {}), files=files)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A Kafka of these tests' own: on the session's, each process would first read what all others have written."""
    with closing(Broker()) as made:
        yield made


@pytest.fixture(scope="session")
def site(
    databases: Databases, broker: Broker, mailpit: Mailpit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """All five processes, ready."""
    folder = Path(tmp_path_factory.mktemp("web"))
    minter = TokenMinter(issuer=PUBLIC_URL)
    with ExitStack() as stack:
        jwks = stack.enter_context(served_keys(minter))
        upstreams: dict[str, str] = {}
        admin_urls: dict[str, str] = {}
        for name in ("business", "booking", "notification"):
            database = databases.for_service(name)
            admin_urls[name] = database.admin_url
            env = {
                "database_url": database.settings.database_url.get_secret_value(),
                "jwks_url": jwks,
                "link_key": "k" * 40,
                "public_url": PUBLIC_URL,
                "smtp_port": str(mailpit.smtp_port),
                "webhook_key": "W" * 43,
                "outbound_allow_http": "true",
                "outbound_allowed_networks": '["127.0.0.0/8"]',
            }
            running = stack.enter_context(run_service(name, "all", folder, **env, **broker.service_env(name)))
            upstreams[name] = running.url
        gateway = stack.enter_context(
            run_service(
                "gateway",
                "all",
                folder,
                jwks_url=jwks,
                public_url=PUBLIC_URL,
                upstreams=json.dumps(upstreams),
                **broker.service_env("gateway"),
            )
        )
        web = stack.enter_context(
            run_service(
                "web", "all", folder, gateway_url=gateway.url, cookie_key=COOKIE_KEY, public_url=PUBLIC_URL
            )
        )
        yield Site(web.url, gateway.url, minter, admin_urls["booking"], Topics(broker.super_user()))
