"""Every service with routes, each as a process in its role `serve`, and the one list of who may use which route.

The list is held against the OpenAPI document of the running service, so that a new route needs a word about who it
is for. Used by test_access.py. No service is asked through the gateway here: each has to look at tokens itself.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import httpx
import psycopg
from pydantic import SecretStr

from auth.keyring import Seal, new_key
from auth.settings import AuthSettings
from contracts.booking import Channel
from contracts.platform import TenantChanged, TenantState
from devstack.local_http import NO_TLS
from integration.auth.world import ENCRYPTION_KEY
from servicekit.clock import utc_now
from servicekit.db import Database
from servicekit.ids import new_id
from servicekit.links import AppointmentLinks, Subscription, UnsubscribeLinks, WaitlistLinks
from servicekit.testing.tokens import TokenMinter
from support.databases import Databases, ServiceDatabase
from support.processes import Running, run_service, served_keys
from support.tenants import know, new_tenant

LINK_KEY = "k" * 40


class Who(Enum):
    """For whom a route is."""

    ANYONE = ()
    SIGNED_IN = ("owner", "staff", "admin")
    MEMBER = ("owner", "staff")
    OWNER = ("owner",)


@dataclass(frozen=True)
class Route:
    """`body` is one that is fine, or `calendar` where it is an iCalendar file; `new` says that it makes or changes
    what a suspended business may not, `even_so` that it changes something for one that is suspended too.
    """

    method: str
    path: str
    who: Who
    body: dict[str, Any] | None = None
    query: dict[str, str] = field(default_factory=dict)
    new: bool = False
    calendar: str | None = None
    even_so: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def of_a_business(self) -> bool:
        """Whether it is about one business: the token's, the path's, or the link's."""
        in_path = "{slug}" in self.path or "{token}" in self.path
        return in_path or self.who in {Who.MEMBER, Who.OWNER}


_SLOT = {"service_id": str(new_id()), "starts_at": "2030-01-07T12:00:00Z"}
_WISH = _SLOT | {"customer": {"name": "Bea", "email": "bea@customer.example"}, "consent": {"email": True}}
_SERIES = _WISH | {"rule": {"every": "week", "count": 2}}
_PLACE = {name: value for name, value in _WISH.items() if name != "starts_at"} | {
    "from": "2030-01-07T12:00:00Z",
    "to": "2030-01-08T12:00:00Z",
}
_MOVE = {"starts_at": "2030-01-07T12:00:00Z"}
_OFFER = {"name": "Cut", "duration_minutes": 30, "price_amount": 2500, "staff_ids": []}
_OFF = {"starts_at": "2098-08-01T00:00:00Z", "ends_at": "2098-08-15T00:00:00Z"}
_CALENDAR = f"""BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Labour Day
DTSTART;VALUE=DATE:{utc_now().year + 1}0501
END:VEVENT
END:VCALENDAR
"""
_TEMPLATE = "/v1/message-templates/{kind}/{channel}/{language}"
_HOOKS = "/v1/webhook-endpoints"
_A_YEAR = {"from": "2030-01-01T00:00:00Z", "to": "2030-12-31T00:00:00Z"}
_NUMBER = {"channel": "sms", "address": "+351912345678"}
_AVAILABLE = {"service": str(new_id()), "from": "2030-01-07", "to": "2030-01-07"}

ROUTES = {
    "auth": [
        Route("POST", "/v1/signups", Who.ANYONE),
        Route("GET", "/v1/signups/{signup_id}", Who.ANYONE),
        Route("POST", "/v1/sessions", Who.ANYONE),
        Route("POST", "/v1/sessions/refresh", Who.ANYONE),
        Route("DELETE", "/v1/sessions/{session_id}", Who.SIGNED_IN),
        Route("GET", "/v1/me", Who.SIGNED_IN),
        Route("POST", "/v1/invitations", Who.OWNER, {"email": "bo@a.example", "name": "Bo"}, new=True),
        Route("GET", "/v1/invitations", Who.OWNER),
        Route("DELETE", "/v1/invitations/{invitation_id}", Who.OWNER),
        Route("GET", "/v1/members", Who.OWNER),
        Route("PATCH", "/v1/members/{member_id}", Who.OWNER, {"role": "staff"}),
        Route("DELETE", "/v1/members/{member_id}", Who.OWNER),
        Route("POST", "/v1/passwords/reset-requests", Who.ANYONE),
        Route("POST", "/v1/passwords/reset", Who.ANYONE),
        Route("GET", "/.well-known/jwks.json", Who.ANYONE),
        Route("GET", "/.well-known/openid-configuration", Who.ANYONE),
    ],
    "business": [
        Route("GET", "/v1/business", Who.MEMBER),
        Route("PATCH", "/v1/business", Who.OWNER, {"description": "Since 1971."}, new=True),
        Route("GET", "/v1/public/{slug}", Who.ANYONE),
        Route("POST", "/v1/staff", Who.OWNER, {"name": "Ada"}, new=True),
        Route("GET", "/v1/staff", Who.MEMBER),
        Route("GET", "/v1/staff/{staff_id}", Who.MEMBER),
        Route("PATCH", "/v1/staff/{staff_id}", Who.OWNER, {"name": "Ada"}, new=True),
        Route("DELETE", "/v1/staff/{staff_id}", Who.OWNER),
        Route("GET", "/v1/staff/{staff_id}/hours", Who.MEMBER),
        Route("PUT", "/v1/staff/{staff_id}/hours", Who.OWNER, {"weekly_hours": []}, new=True),
        Route("GET", "/v1/staff/{staff_id}/exceptions", Who.MEMBER),
        Route("PUT", "/v1/staff/{staff_id}/exceptions/{day}", Who.OWNER, {"intervals": []}, new=True),
        Route("DELETE", "/v1/staff/{staff_id}/exceptions/{day}", Who.OWNER, new=True),
        Route("GET", "/v1/staff/{staff_id}/time-off", Who.MEMBER),
        Route("POST", "/v1/staff/{staff_id}/time-off", Who.OWNER, _OFF, new=True),
        Route("DELETE", "/v1/staff/{staff_id}/time-off/{time_off_id}", Who.OWNER, new=True),
        Route("GET", "/v1/business/audit", Who.OWNER),
        Route("GET", "/v1/business/holidays", Who.MEMBER),
        Route("PUT", "/v1/business/holidays", Who.OWNER, {"days": []}, new=True),
        Route("POST", "/v1/business/holidays/import", Who.OWNER, calendar=_CALENDAR, new=True),
        Route("POST", "/v1/resources", Who.OWNER, {"name": "Room"}, new=True),
        Route("GET", "/v1/resources", Who.MEMBER),
        Route("GET", "/v1/resources/{resource_id}", Who.MEMBER),
        Route("PATCH", "/v1/resources/{resource_id}", Who.OWNER, {"name": "Room"}, new=True),
        Route("DELETE", "/v1/resources/{resource_id}", Who.OWNER),
        Route("POST", "/v1/services", Who.OWNER, _OFFER, new=True),
        Route("GET", "/v1/services", Who.MEMBER),
        Route("GET", "/v1/services/{service_id}", Who.MEMBER),
        Route("PUT", "/v1/services/{service_id}", Who.OWNER, _OFFER, new=True),
        Route("DELETE", "/v1/services/{service_id}", Who.OWNER),
        Route("GET", "/v1/reminder-policy", Who.MEMBER),
        Route("PUT", "/v1/reminder-policy", Who.OWNER, {"rules": []}, new=True),
    ],
    "booking": [
        Route("GET", "/v1/public/appointments/{token}", Who.ANYONE),
        Route("GET", "/v1/public/appointments/{token}.ics", Who.ANYONE),
        Route("PATCH", "/v1/public/appointments/{token}", Who.ANYONE, _MOVE, new=True),
        Route("DELETE", "/v1/public/appointments/{token}", Who.ANYONE),
        Route("GET", "/v1/public/{slug}/availability", Who.ANYONE, query=_AVAILABLE),
        Route("POST", "/v1/public/{slug}/holds", Who.ANYONE, _SLOT, new=True),
        Route("DELETE", "/v1/public/{slug}/holds/{hold_id}", Who.ANYONE),
        Route("POST", "/v1/public/{slug}/appointments", Who.ANYONE, _WISH, new=True),
        Route("POST", "/v1/public/{slug}/waitlist", Who.ANYONE, _PLACE, new=True),
        Route("GET", "/v1/public/waitlist/{token}", Who.ANYONE),
        Route("DELETE", "/v1/public/waitlist/{token}", Who.ANYONE),
        Route("POST", "/v1/public/waitlist/{token}/accept", Who.ANYONE, new=True),
        Route("GET", "/v1/waitlist", Who.MEMBER),
        Route("GET", "/v1/waitlist/{entry_id}", Who.MEMBER),
        Route("DELETE", "/v1/waitlist/{entry_id}", Who.MEMBER),
        Route("POST", "/v1/waitlist/{entry_id}/offer", Who.MEMBER, _MOVE, new=True),
        Route("POST", "/v1/series", Who.MEMBER, _SERIES, new=True),
        Route("POST", "/v1/series/{series_id}/cancel", Who.MEMBER, {}),
        Route("POST", "/v1/appointments", Who.MEMBER, _WISH, new=True),
        Route("GET", "/v1/appointments", Who.MEMBER),
        Route("GET", "/v1/appointments/{appointment_id}", Who.MEMBER),
        Route("PATCH", "/v1/appointments/{appointment_id}", Who.MEMBER, _MOVE, new=True),
        Route("POST", "/v1/appointments/{appointment_id}/cancel", Who.MEMBER),
        Route("POST", "/v1/appointments/{appointment_id}/confirm", Who.MEMBER),
        Route("POST", "/v1/appointments/{appointment_id}/complete", Who.MEMBER),
        Route("POST", "/v1/appointments/{appointment_id}/no-show", Who.MEMBER),
        Route("GET", "/v1/appointments/export.csv", Who.OWNER, query=_A_YEAR),
        Route("GET", "/v1/customers", Who.MEMBER),
        Route("GET", "/v1/customers/export.csv", Who.OWNER),
        Route("GET", "/v1/customers/{customer_id}", Who.MEMBER),
        Route("PATCH", "/v1/customers/{customer_id}", Who.MEMBER, {"notes": "Tea"}, new=True),
        Route("DELETE", "/v1/customers/{customer_id}", Who.OWNER),
        Route("GET", "/v1/public/feeds/{token}.ics", Who.ANYONE),
        Route("POST", "/v1/staff-feeds/{staff_id}", Who.OWNER, new=True),
        Route("DELETE", "/v1/staff-feeds/{staff_id}", Who.OWNER),
        Route("PUT", "/v1/busy-calendars/{staff_id}", Who.OWNER, {"url": "https://ics.example/a"}, new=True),
        Route("GET", "/v1/busy-calendars/{staff_id}", Who.OWNER),
        Route("DELETE", "/v1/busy-calendars/{staff_id}", Who.OWNER),
        Route("GET", "/v1/audit", Who.OWNER),
    ],
    "notification": [
        Route("GET", "/v1/messages", Who.MEMBER),
        Route("GET", "/v1/messages/audit", Who.OWNER),
        Route("GET", "/v1/messages/{message_id}", Who.MEMBER),
        Route("GET", _TEMPLATE, Who.MEMBER),
        Route("PUT", _TEMPLATE, Who.OWNER, {"lead": "See you {{ when }}."}, new=True),
        Route("DELETE", _TEMPLATE, Who.OWNER, new=True),
        Route("POST", f"{_TEMPLATE}/preview", Who.OWNER, {}),
        Route("GET", "/v1/quiet-hours", Who.MEMBER),
        Route(
            "PUT", "/v1/quiet-hours", Who.OWNER, {"from": "22:00", "to": "08:00", "channels": []}, new=True
        ),
        Route("GET", "/v1/suppressions", Who.OWNER),
        Route("POST", "/v1/suppressions", Who.OWNER, _NUMBER, even_so=True),
        Route("DELETE", "/v1/suppressions/{suppression_id}", Who.OWNER),
        Route("GET", "/v1/unsubscriptions/{token}", Who.ANYONE),
        Route("PUT", "/v1/unsubscriptions/{token}", Who.ANYONE, {"unsubscribed": "all"}, even_so=True),
        Route("DELETE", "/v1/unsubscriptions/{token}", Who.ANYONE),
        Route("GET", _HOOKS, Who.OWNER),
        Route("POST", _HOOKS, Who.OWNER, {"url": "http://127.0.0.1:9/", "events": ["*"]}, new=True),
        Route("GET", f"{_HOOKS}/{{endpoint_id}}", Who.OWNER),
        Route("PATCH", f"{_HOOKS}/{{endpoint_id}}", Who.OWNER, {"enabled": True}, new=True),
        Route("DELETE", f"{_HOOKS}/{{endpoint_id}}", Who.OWNER),
        Route("POST", f"{_HOOKS}/{{endpoint_id}}/rotate-secret", Who.OWNER, new=True),
        Route("POST", f"{_HOOKS}/{{endpoint_id}}/test", Who.OWNER, new=True),
        Route("GET", f"{_HOOKS}/{{endpoint_id}}/deliveries", Who.OWNER),
        Route("GET", f"{_HOOKS}/{{endpoint_id}}/deliveries/{{delivery_id}}", Who.OWNER),
        Route("POST", f"{_HOOKS}/{{endpoint_id}}/deliveries/{{delivery_id}}/resend", Who.OWNER, new=True),
    ],
    "billing": [
        Route("GET", "/v1/billing/subscription", Who.OWNER),
        Route("POST", "/v1/billing/checkout-sessions", Who.OWNER, {}),
        Route("POST", "/v1/billing/portal-sessions", Who.OWNER, {}),
        Route("GET", "/v1/billing/invoices", Who.OWNER),
        Route("GET", "/v1/usage", Who.OWNER),
        Route("POST", "/webhooks/stripe", Who.ANYONE),
    ],
    "analytics": [
        Route("GET", "/v1/analytics/daily", Who.MEMBER),
    ],
}


@dataclass
class World:
    """One service; `minter` signs what it takes for auth's own tokens."""

    service: str
    running: Running
    database: ServiceDatabase
    minter: TokenMinter
    http: httpx.Client

    @property
    def routes(self) -> list[Route]:
        return ROUTES[self.service]

    async def tenant(self, state: TenantState = TenantState.ACTIVE) -> TenantChanged:
        """A new business as the service's read model has it, with nothing in it."""
        tenant = new_tenant(state=state)
        db = Database(self.database.settings, application="test")
        await db.open()
        try:
            await know(db, tenant)
        finally:
            await db.close()
        return tenant

    def documented(self) -> dict[str, Any]:
        """The operations of the service's OpenAPI document, by `<METHOD> <path>`."""
        paths = self.http.get(f"{self.running.url}/openapi.json").json()["paths"]
        return {
            f"{method.upper()} {path}": operation
            for path, operations in paths.items()
            for method, operation in operations.items()
        }

    def call(self, route: Route, tenant: TenantChanged, token: str | None) -> httpx.Response:
        """Uses the route as it wants to be used; its ids are nobody's, its slug and link are the tenant's."""
        links = WaitlistLinks if "/waitlist/" in route.path else AppointmentLinks
        link = links(SecretStr(LINK_KEY)).token(tenant.tenant_id, new_id())
        if "/unsubscriptions/" in route.path:
            of = Subscription(tenant.tenant_id, new_id(), Channel.EMAIL, bytes(16))
            link = UnsubscribeLinks(SecretStr(LINK_KEY)).token(of)
        names = ["signup", "session", "invitation", "staff", "service", "appointment", "customer", "message"]
        names += [
            "resource",
            "time_off",
            "suppression",
            "series",
            "entry",
            "endpoint",
            "delivery",
            "hold",
            "member",
        ]
        ids = {f"{name}_id": str(new_id()) for name in names}
        words = {"kind": "reminder", "channel": "email", "language": "en", "day": "2030-01-07"}
        path = route.path.format(slug=tenant.slug, token=link, **words, **ids)
        sent: dict[str, Any] = {"json": route.body}
        headers = {"If-Match": "*"} | ({"Authorization": token} if token is not None else {})
        if route.calendar is not None:
            sent = {"content": route.calendar}
            headers["Content-Type"] = "text/calendar"
        return self.http.request(
            route.method,
            f"{self.running.url}{path}",
            headers=headers,
            params=route.query,
            **sent,
        )

    def state(self) -> dict[str, list[Any]]:
        """Everything that is stored, to be compared before and after requests that must change nothing."""
        with psycopg.connect(self.database.admin_url) as conn:
            names = [
                name
                for (name,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
                if name != "signing_key"
            ]
            return {
                name: conn.execute(f'SELECT t::text FROM "{name}" t ORDER BY 1'.encode()).fetchall()
                for name in names
            }


@contextmanager
def serving(service: str, databases: Databases, folder: Path) -> Iterator[World]:
    """The service, running."""
    database = databases.for_service(service)
    with ExitStack() as stack:
        env = {"database_url": database.settings.database_url.get_secret_value(), "link_key": LINK_KEY}
        if service == "auth":
            minter = _auths_own(database)
            env |= {"encryption_key": ENCRYPTION_KEY}
        else:
            minter = TokenMinter()
            env |= {"jwks_url": stack.enter_context(served_keys(minter)), "webhook_key": "W" * 43}
            env |= {"outbound_allow_http": "true", "outbound_allowed_networks": '["127.0.0.0/8"]'}
        running = stack.enter_context(
            run_service(service, "serve", folder, **env | {"public_url": minter.issuer})
        )
        client = stack.enter_context(httpx.Client(verify=NO_TLS, timeout=30))
        yield World(service, running, database, minter, client)


def _auths_own(database: ServiceDatabase) -> TokenMinter:
    """Signs with a key that auth finds in its database as its own."""
    seal = Seal(AuthSettings.model_validate({"encryption_key": ENCRYPTION_KEY}).sealing_key())
    key = new_key(seal, utc_now())
    with psycopg.connect(database.admin_url) as conn:
        conn.execute(
            "INSERT INTO signing_key (kid, sealed, signs_from) VALUES (%s, %s, %s)",
            (key.kid, key.sealed, key.signs_from),
        )
    return TokenMinter(kid=key.kid, private=seal.open(key))
