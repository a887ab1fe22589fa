"""The stack of booking's benches: booking with businesses to book at, on a PostgreSQL that syncs each commit.

The ids of businesses, staff and services follow from a number, so that pgbench can make them, too. The number is in
the first digits, where UUIDs of version 7 differ: a GiST index, as the constraint has one, does not tell ids apart
by their last digits.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import count
from pathlib import Path
from uuid import UUID

import psutil
import psycopg
from cpu import server_cpu
from load import request

from booking.catalog import CatalogFollower
from contracts.booking import Channel
from contracts.business import Hours, PolicyChanged, ReminderRule, ServiceChanged, StaffChanged
from contracts.model import Money
from servicekit.db import Connection, Database
from servicekit.testing.tokens import TokenMinter
from support.databases import Databases, ServiceDatabase
from support.processes import Running, run_service_by, served_keys
from support.programs import from_nothing
from support.tenants import know, new_tenant

ALL_DAY = (time(0), time(0))
STEP = timedelta(minutes=30)
"""How long an appointment lasts."""
ZONE = "Europe/Lisbon"
"""The zone of the staff; requests name it, as those of web do."""
NAME = "Bea Customer"
KNOWN = "known@customer.example"
"""The address of the one customer whom a business knows."""
_WINDOW_DAYS = 700


def tenant_id(shop: int) -> UUID:
    return numbered("8000", shop)


def service_id(shop: int) -> UUID:
    return numbered("9000", shop)


def staff_id(number: int) -> UUID:
    """Staff are numbered through all businesses."""
    return numbered("a000", number)


def customer_id(shop: int) -> UUID:
    """The id of the customer with the address KNOWN."""
    return numbered("b000", shop)


def numbered(kind: str, number: int) -> UUID:
    """The id of the `number`th of those that have `kind` as their fourth group."""
    return UUID(f"{0x01A00000 + number:08x}-0000-7000-{kind}-000000000000")


def slug(shop: int) -> str:
    return f"bench-{shop:06}"


@dataclass(frozen=True)
class Booking:
    """A public booking that can be asked for."""

    shop: int
    who: UUID
    starts_at: datetime
    email: str

    def request(self) -> bytes:
        body = {
            "service_id": str(service_id(self.shop)),
            "staff_id": str(self.who),
            "starts_at": self.starts_at.isoformat(),
            "customer": {"name": NAME, "email": self.email},
            "consent": {"email": True},
            "timezone": ZONE,
        }
        return request("POST", f"/v1/public/{slug(self.shop)}/appointments", json.dumps(body).encode())


@dataclass
class Shops:
    """`number` businesses with `staff` people each, from the number `first` on."""

    database: ServiceDatabase
    number: int
    staff: int
    first: int = 0
    hours: tuple[time, time] = ALL_DAY
    step_minutes: int = 30
    begin: datetime = field(
        default_factory=lambda: (
            datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
        )
    )
    _numbers: Iterator[int] = field(default_factory=count)

    async def write(self) -> None:
        """Puts them into booking's tables by the code that its consumers call."""
        db = Database(self.database.settings, application="bench")
        await db.open()
        for shop in range(self.first, self.first + self.number):
            tenant = new_tenant(tenant_id=tenant_id(shop), slug=slug(shop))
            await know(db, tenant)
            async with db.tenant(tenant.tenant_id) as conn:
                await self._catalog(CatalogFollower(), conn, shop)
        await db.close()

    async def _catalog(self, follower: CatalogFollower, conn: Connection, shop: int) -> None:
        staff = [staff_id(shop * self.staff + number) for number in range(self.staff)]
        opens, closes = self.hours
        for who in staff:
            await follower.staff_changed(
                conn,
                StaffChanged(
                    tenant_id=tenant_id(shop),
                    staff_id=who,
                    version=1,
                    deleted=False,
                    name="Ada",
                    timezone=ZONE,
                    weekly_hours=[Hours(weekday=day, opens=opens, closes=closes) for day in range(7)],
                    exceptions=[],
                ),
            )
        await follower.service_changed(
            conn,
            ServiceChanged(
                tenant_id=tenant_id(shop),
                service_id=service_id(shop),
                version=1,
                deleted=False,
                name="Cut",
                description="",
                duration_minutes=30,
                buffer_before_minutes=0,
                buffer_after_minutes=0,
                slot_step_minutes=self.step_minutes,
                minimum_notice_minutes=0,
                booking_window_days=_WINDOW_DAYS,
                cancellation_window_minutes=0,
                capacity=1,
                requires_confirmation=False,
                price=Money(amount=2500, currency="EUR"),
                staff_ids=staff,
            ),
        )
        rule = ReminderRule(rule_id=UUID(int=shop + 1), offset_seconds=3600, channel=Channel.EMAIL)
        await follower.policy_changed(conn, PolicyChanged(tenant_id=tenant_id(shop), version=1, rules=[rule]))
        # By an id of its own, which booking does not take from anybody.
        await conn.execute(
            b"INSERT INTO customer (tenant_id, customer_id, name, email, locale, consent_email, consent_sms)"
            b" VALUES (%s, %s, %s, %s, 'en', true, false)",
            (tenant_id(shop), customer_id(shop), NAME, KNOWN),
        )

    def settle(self) -> None:
        """What a server does by itself within a minute: without it, a run has plans for the tables as they were."""
        with psycopg.connect(self.database.admin_url, autocommit=True) as conn:
            conn.execute("VACUUM ANALYZE")
            conn.execute("CHECKPOINT")

    def next(self, *, known: bool = False) -> Booking:
        """One that has not been asked for: of one business after the other, by a new customer or the known one."""
        number = next(self._numbers)
        shop = self.first + number % self.number
        turn, who = divmod(number // self.number, self.staff)
        email = KNOWN if known else f"c{number}@customer.example"
        return Booking(shop, staff_id(shop * self.staff + who), self.begin + turn * STEP, email)

    def next_booking(self) -> bytes:
        """The request of one by a new customer."""
        return self.next().request()


@dataclass
class Stack:
    """The servers of a run."""

    databases: Databases
    folder: Path
    jwks_url: str

    @contextmanager
    def booking(self, database: ServiceDatabase, role: str, **env: str) -> Iterator[Running]:
        """booking by its own program, with its usual settings."""
        own = {
            "database_url": database.settings.database_url.get_secret_value(),
            "jwks_url": self.jwks_url,
            "link_key": "k" * 40,
            "public_url": "https://book.example",
        }
        with run_service_by(from_nothing, "booking", role, self.folder, own | env) as running:
            yield running

    def server_cpu(self) -> float:
        """CPU seconds of PostgreSQL so far, with those of its ended processes."""
        return server_cpu(self.databases.server)


def process_cpu(running: Running) -> float:
    """CPU seconds of a service's process so far."""
    times = psutil.Process(running.process.pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def made_stack(**settings: str) -> Iterator[Stack]:
    """PostgreSQL as the local stack runs it, fsync and all; `settings` are added to its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slotwright-bench-")))
        databases = stack.enter_context(closing(Databases(settings)))
        jwks_url = stack.enter_context(served_keys(TokenMinter()))
        yield Stack(databases, folder, jwks_url)
