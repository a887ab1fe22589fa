"""A booking process on a real Postgres, a business with a catalog, and a client, for the tests beside this file.

The catalog is written by the code that the catalog consumer calls.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from booking.catalog import CatalogFollower
from booking.waitlist.workers import WaitlistOfferer
from booking.workers import HoldSweeper, PolicyFollower, UnconfirmedCanceller
from contracts.booking import Channel
from contracts.business import (
    CatalogEvent,
    HolidaysChanged,
    Hours,
    PolicyChanged,
    ReminderRule,
    ResourceChanged,
    ServiceChanged,
    StaffChanged,
)
from contracts.model import Money
from contracts.platform import TenantChanged
from devstack.local_http import NO_TLS
from servicekit import usage
from servicekit.db import Database
from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support.databases import Databases, ServiceDatabase
from support.processes import run_service, served_keys
from support.tenants import know, new_tenant

OFFER_SECONDS = 900
ALL_DAY = [Hours(weekday=day, opens=time(0), closes=time(0)) for day in range(7)]


def works_all_day(tenant_id: UUID, staff_id: UUID) -> StaffChanged:
    """The event of a new member of staff, around the clock."""
    return StaffChanged(
        tenant_id=tenant_id,
        staff_id=staff_id,
        version=1,
        deleted=False,
        name="Ada",
        timezone="Europe/Lisbon",
        weekly_hours=ALL_DAY,
        exceptions=[],
    )


def room(shop: "Shop", **fields: Any) -> ResourceChanged:
    """The event of a new resource of the shop's, always open."""
    given: dict[str, Any] = {
        "tenant_id": shop.tenant.tenant_id,
        "resource_id": new_id(),
        "version": 1,
        "name": "Room",
        "timezone": "Europe/Lisbon",
        "capacity": 1,
        "weekly_hours": None,
        "exceptions": [],
    }
    return ResourceChanged(**given | fields)


def service(shop: "Shop", **fields: Any) -> ServiceChanged:
    """The event of the shop's service; with a `service_id` of another one."""
    given: dict[str, Any] = {
        "tenant_id": shop.tenant.tenant_id,
        "service_id": shop.service_id,
        "version": 1,
        "deleted": False,
        "name": "Cut",
        "description": "",
        "duration_minutes": 30,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "slot_step_minutes": 15,
        "minimum_notice_minutes": 0,
        "booking_window_days": 60,
        "cancellation_window_minutes": 0,
        "capacity": 1,
        "requires_confirmation": False,
        "price": Money(amount=2500, currency="EUR"),
        "staff_ids": shop.staff,
    }
    return ServiceChanged(**given | fields)


@dataclass
class Shop:
    """One business in booking's database."""

    tenant: TenantChanged
    staff: list[UUID]
    service_id: UUID


@dataclass
class World:
    url: str
    database: ServiceDatabase
    minter: TokenMinter
    jwks_url: str
    http: httpx.Client
    pid: int

    async def shop(self, *, staff: int = 1, tenant: TenantChanged | None = None, **offer: Any) -> Shop:
        """A new business whose staff work around the clock; `offer` overrides fields of its one service."""
        shop = Shop(tenant or new_tenant(), [new_id() for _ in range(staff)], new_id())
        tenant_id = shop.tenant.tenant_id
        db = Database(self.database.settings, application="test")
        await db.open()
        try:
            await know(db, shop.tenant)
            async with db.tenant(tenant_id) as conn:
                follower = CatalogFollower()
                for staff_id in shop.staff:
                    await follower.staff_changed(conn, works_all_day(tenant_id, staff_id))
                await follower.service_changed(conn, service(shop, **offer))
                rule = ReminderRule(rule_id=new_id(), offset_seconds=3600, channel=Channel.EMAIL)
                await follower.policy_changed(
                    conn, PolicyChanged(tenant_id=tenant_id, version=1, rules=[rule])
                )
        finally:
            await db.close()
        return shop

    async def tell(self, shop: Shop, *events: CatalogEvent) -> None:
        """What the catalog consumer does with these events."""
        db = Database(self.database.settings, application="test")
        await db.open()
        follower = CatalogFollower()
        try:
            async with db.tenant(shop.tenant.tenant_id) as conn:
                for event in events:
                    match event:
                        case StaffChanged():
                            await follower.staff_changed(conn, event)
                        case ResourceChanged():
                            await follower.resource_changed(conn, event)
                        case ServiceChanged():
                            await follower.service_changed(conn, event)
                        case HolidaysChanged():
                            await follower.holidays_changed(conn, event)
                        case _:
                            raise TypeError(type(event))
        finally:
            await db.close()

    async def use(self, shop: Shop, metric: str, count: int) -> None:
        """As if so much of a limit had been used this month."""
        db = Database(self.database.settings, application="test")
        await db.open()
        try:
            async with db.tenant(shop.tenant.tenant_id) as conn:
                await usage.consume(conn, shop.tenant, metric, datetime.now(UTC), count=count)
        finally:
            await db.close()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Database]:
        """The database as booking's own role sees it, for a loop that a test turns by hand."""
        db = Database(self.database.settings, application="test")
        await db.open()
        try:
            yield db
        finally:
            await db.close()

    async def turn(self, *, later: timedelta = timedelta()) -> None:
        """What booking's loops do when it is their turn, by a clock that is so much ahead."""

        def clock() -> datetime:
            return datetime.now(UTC) + later

        async with self.opened() as db:
            await HoldSweeper(db, clock=clock).turn()
            await UnconfirmedCanceller(db, clock=clock).turn()
            await PolicyFollower(db, clock=clock).turn()
            offerer = WaitlistOfferer(db, offer_seconds=OFFER_SECONDS, clock=clock)
            # A turn ends after some seconds: on a slow machine before all are served.
            while await offerer.turn() == 0:
                pass

    def post(self, shop: Shop, body: dict[str, Any], *, key: str | None = None) -> httpx.Response:
        """Books publicly."""
        headers = {"Idempotency-Key": key} if key else {}
        path = f"/v1/public/{shop.tenant.slug}/appointments"
        return self.http.post(f"{self.url}{path}", json=body, headers=headers)

    def call(
        self, method: str, path: str, shop: Shop | None = None, *, role: str = "owner", **sent: Any
    ) -> httpx.Response:
        """Any request; as somebody of the shop's when one is named."""
        headers = self.minter.headers(shop.tenant.tenant_id, role=role) if shop else {}
        return self.http.request(
            method, f"{self.url}{path}", headers=headers | sent.pop("headers", {}), **sent
        )

    def taken(self, shop: Shop) -> list[dict[str, Any]]:
        """What holds and appointments of the shop's take."""
        statement = "SELECT * FROM allocation WHERE tenant_id = %s AND state <> 'released'"
        return self.rows(statement, shop.tenant.tenant_id)

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows, past row level security."""
        return self.database.rows(statement, *values)


@contextmanager
def made_world(databases: Databases, role: str, folder: Path, **env: str) -> Iterator[World]:
    """booking in a role of its; `env` as for `run_service`."""
    database = databases.for_service("booking")
    minter = TokenMinter()
    with (
        served_keys(minter) as jwks_url,
        run_service(
            "booking",
            role,
            folder,
            database_url=database.settings.database_url.get_secret_value(),
            database_pool_size="8",
            jwks_url=jwks_url,
            link_key="k" * 40,
            public_url="http://127.0.0.1:8080",
            **env,
        ) as running,
        httpx.Client(verify=NO_TLS, timeout=30, limits=httpx.Limits(max_connections=64)) as client,
    ):
        yield World(running.url, database, minter, jwks_url, client, running.process.pid)


def wish(shop: Shop, starts_at: datetime, **fields: Any) -> dict[str, Any]:
    """The body of a public booking."""
    body = {
        "service_id": str(shop.service_id),
        "starts_at": starts_at.isoformat(),
        "customer": {"name": "Bea", "email": "bea@customer.example"},
        "consent": {"email": True},
    }
    return body | fields


def problem(answer: httpx.Response, status: int, slug: str) -> None:
    """Asserts that a request was refused so."""
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"/problems/{slug}"


def waiting(world: World, statement: str) -> int:
    """How many of the process's transactions wait for a lock in a statement that begins so."""
    found = world.rows(
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return sum(row["query"].strip().startswith(statement) for row in found)


def together(calls: Sequence[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """The answers to calls that are all made at once."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [asked.result() for asked in [pool.submit(call) for call in calls]]


@cache
def tomorrow_noon() -> datetime:
    """One for the whole run, still half a day ahead: a midnight that falls into a test does not move it."""
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
