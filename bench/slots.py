"""What a request for free slots costs, against its own query for busy ranges, and how that grows.

Part of bench/bookings.py.
"""

import asyncio
import statistics
import time as clock
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
from load import Run, closed, opened, request
from plot import write_plot
from psycopg.rows import dict_row
from shops import ZONE, Shops, Stack, made_stack, process_cpu, service_id, slug, staff_id, tenant_id

from booking.store import SQL

_HOURS = (time(9), time(17))
_A_DAY = 10
"""Appointments of a person on a day, of 16 that fit."""
_YEAR, _DAYS, _STAFF = 365, 30, 10
_CLIENTS = 8

_FILL = b"""
WITH customer_made AS (
    INSERT INTO customer (tenant_id, customer_id, name, email, locale, consent_email, consent_sms)
    VALUES (%(tenant)s, gen_random_uuid(), 'Bea', 'bea@customer.example', 'en', true, false)
    RETURNING customer_id
), wanted AS (
    SELECT gen_random_uuid() AS id, who.id AS who,
        %(begin)s + day * interval '1 day' + interval '9 hours'
            + (slot * 3 + day + who.number) %% 16 * interval '30 min' AS start
    FROM unnest(%(staff)s::uuid[]) WITH ORDINALITY AS who (id, number), generate_series(0, %(days)s - 1) AS day,
        generate_series(0, %(a_day)s - 1) AS slot
), booked AS (
    INSERT INTO appointment (tenant_id, appointment_id, status, service_id, resource_ids, customer_id, starts_at,
        ends_at, timezone, price_amount, currency, source)
    SELECT %(tenant)s, id, 'confirmed', %(service)s, ARRAY[who], customer_id, start, start + interval '30 min',
        'Europe/Lisbon', 2500, 'EUR', 'public'
    FROM wanted, customer_made
)
INSERT INTO allocation (tenant_id, allocation_id, resource_id, session_id, during, state, appointment_id)
SELECT %(tenant)s, gen_random_uuid(), who, id, tstzrange(start, start + interval '30 min'), 'confirmed', id
FROM wanted
"""


class _Filled:
    """Businesses with bookings, one for each size that is asked for."""

    def __init__(self, stack: Stack) -> None:
        self._database = stack.databases.for_service("booking")
        self._made = 0
        self.url = ""
        self.database = self._database

    def shop(self, *, staff: int = _STAFF, days: int = _YEAR) -> Shops:
        shops = Shops(self._database, 1, staff, first=self._made * 100, hours=_HOURS)
        self._made += 1
        asyncio.run(shops.write())
        # Half of the year lies behind.
        begin = shops.begin - timedelta(days=days // 2)
        with psycopg.connect(self._database.admin_url, autocommit=True) as conn:
            values = {
                "tenant": tenant_id(shops.first),
                "service": service_id(shops.first),
                "staff": _staff(shops),
                "begin": begin,
                "days": days,
                "a_day": _A_DAY,
            }
            conn.execute(_FILL, values)
            conn.execute("ANALYZE")
        return shops


def _staff(shops: Shops) -> list[UUID]:
    return [staff_id(shops.first * shops.staff + number) for number in range(shops.staff)]


def _look(shops: Shops, days: int) -> bytes:
    first = shops.begin.date()
    last = first + timedelta(days=days - 1)
    asked = f"service={service_id(shops.first)}&from={first}&to={last}&timezone={ZONE}"
    return request("GET", f"/v1/public/{slug(shops.first)}/availability?{asked}")


def _query(filled: _Filled, shops: Shops, days: int) -> Callable[[], int]:
    """The busy ranges as booking asks for them, by the same driver, as the same role."""
    conn = psycopg.connect(
        filled.database.settings.database_url.get_secret_value(), autocommit=True, row_factory=dict_row
    )
    conn.execute("SELECT set_config('app.tenant_id', %s, false)", (str(tenant_id(shops.first)),))
    values = {
        "tenant_id": tenant_id(shops.first),
        "resource_ids": _staff(shops),
        "begin": shops.begin - timedelta(hours=1),
        "end": shops.begin + timedelta(days=days) + timedelta(minutes=30),
        "now": datetime.now(UTC),
        "but": None,
    }
    return lambda: len(conn.execute(SQL.busy, values).fetchall())


def _timed(seconds: float, act: Callable[[], object]) -> float:
    """The median in milliseconds, of as many as fit."""
    took = []
    end = clock.perf_counter() + seconds
    while (begun := clock.perf_counter()) < end:
        act()
        took.append((clock.perf_counter() - begun) * 1000)
    return statistics.median(took)


def _one_by_one(url: str, shops: Shops, days: int, seconds: float) -> float:
    """The route's median in milliseconds with one client."""
    run = closed([url], lambda: _look(shops, days), clients=1, seconds=seconds)
    _require_fine(run)
    return run.percentile(0.5)


def _require_fine(run: Run) -> None:
    assert run.statuses.keys() == {200}, run.statuses


def measure_slots(pairs: int, seconds: float, plot: Path | None) -> None:
    """Against its query, at half load, and with more bookings, staff and days."""
    with made_stack() as stack:
        filled = _Filled(stack)
        usual = filled.shop()
        with stack.booking(filled.database, "serve") as booking:
            query = _query(filled, usual, _DAYS)
            found = query()
            print(
                f"{_DAYS} days of {_STAFF} staff, {found} busy ranges of {_STAFF * _YEAR * _A_DAY} appointments in"
                " a year"
            )
            _one_by_one(booking.url, usual, _DAYS, 1)
            ratios, queried, routed = [], [], []
            for number in range(pairs):
                turns: list[Callable[[], None]] = [
                    lambda: queried.append(_timed(seconds, query)),
                    lambda: routed.append(_one_by_one(booking.url, usual, _DAYS, seconds)),
                ]
                for turn in turns if number % 2 == 0 else reversed(turns):
                    turn()
                ratios.append(routed[-1] / queried[-1])
            print(
                f"its query {statistics.median(queried):.2f} ms, the route {statistics.median(routed):.2f} ms"
                f" (medians, one client); ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to"
                f" {max(ratios):.2f}"
            )
            server, own = stack.server_cpu(), process_cpu(booking)
            most = closed([booking.url], lambda: _look(usual, _DAYS), clients=_CLIENTS, seconds=seconds)
            _require_fine(most)
            answers = most.statuses.total()
            print(
                f"at capacity, {_CLIENTS} clients: {most}; CPU ms each:"
                f" postgres {(stack.server_cpu() - server) / answers * 1000:.2f},"
                f" booking {(process_cpu(booking) - own) / answers * 1000:.2f}"
            )
            half = opened(booking.url, lambda: _look(usual, _DAYS), rate=most.rate / 2, seconds=4 * seconds)
            _require_fine(half)
            print(f"at half of that, open loop: {half}")
            grown = _grown(filled, booking.url, usual, seconds / 3)
        if plot is not None:
            write_plot(plot, grown, across="bookings, staff, days", up="milliseconds (median, one client)")


def _grown(filled: _Filled, url: str, usual: Shops, seconds: float) -> dict[str, list[tuple[float, float]]]:
    def cost(shops: Shops, days: int) -> float:
        return _one_by_one(url, shops, days, seconds)

    def shop(*, staff: int = _STAFF, days: int = _YEAR) -> Shops:
        return usual if (staff, days) == (_STAFF, _YEAR) else filled.shop(staff=staff, days=days)

    bookings = [
        (float(days * _STAFF * _A_DAY), cost(shop(days=days), _DAYS)) for days in (60, 180, _YEAR, 1000)
    ]
    staff = [(float(number), cost(shop(staff=number), _DAYS)) for number in (1, 3, _STAFF, 30)]
    days = [(float(number), cost(usual, number)) for number in (1, 3, 10, 30, 60)]
    grown = {"bookings in all": bookings, "staff": staff, "days": days}
    print(
        f"a look's cost, one client; {_DAYS} days, {_STAFF} staff, a year of bookings where nothing else is said:"
    )
    for name, points in grown.items():
        print(f"  {name:16} " + "  ".join(f"{x:.0f}: {y:.1f} ms" for x, y in points))
    return grown
