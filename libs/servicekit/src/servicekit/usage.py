"""What a tenant uses of its plan's limits, counted in the transaction of the use.

`consume` and `require` are the only ways to use something up: one statement that counts and checks, under the row's
lock, so that the thousandth of a thousand is granted once however many ask. Metrics are the field names
of contracts.platform.Limits; monthly ones count by calendar month in UTC.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.platform import TenantChanged
from servicekit.db import Connection
from servicekit.errors import QuotaExceeded

_CONSUME = b"""
INSERT INTO usage AS u (tenant_id, metric, period, used)
SELECT %(tenant)s, %(metric)s, %(period)s, %(count)s WHERE %(limit)s::int IS NULL OR %(count)s <= %(limit)s
ON CONFLICT (tenant_id, metric, period) DO UPDATE SET used = u.used + %(count)s, unreported = true
WHERE %(limit)s::int IS NULL OR u.used + %(count)s <= %(limit)s
RETURNING used
"""
# Beyond the limit it writes -1, which the table's CHECK refuses, so that the statement fails.
_REQUIRE = b"""
INSERT INTO usage AS u (tenant_id, metric, period, used)
VALUES (%(tenant)s, %(metric)s, %(period)s, CASE WHEN %(count)s > %(limit)s::int THEN -1 ELSE %(count)s END)
ON CONFLICT (tenant_id, metric, period) DO UPDATE SET unreported = true,
    used = CASE WHEN u.used + %(count)s > %(limit)s THEN -1 ELSE u.used + %(count)s END
"""
_READ = b"SELECT used FROM usage WHERE tenant_id = %s AND metric = %s AND period = %s"
_RELEASE = b"""
UPDATE usage SET used = greatest(0, used - %s), unreported = true
WHERE tenant_id = %s AND metric = %s AND period = %s
"""
# A metric that was used in other months only is 0, so that it replaces what was reported then.
_SNAPSHOT = b"""
SELECT metric, coalesce(sum(used) FILTER (WHERE period IN ('', %s)), 0)::int AS used
FROM usage WHERE tenant_id = %s GROUP BY metric
"""


def month_of(now: datetime) -> str:
    """The period of a monthly limit, `YYYY-MM` in UTC."""
    return now.strftime("%Y-%m")


async def consume(
    conn: Connection, tenant: TenantChanged, metric: str, now: datetime, *, count: int = 1
) -> None:
    """Counts `count` of `metric`; raises QuotaExceeded, with nothing counted, when the limit does not allow it."""
    values = _values(tenant, metric, now, count)
    if await (await conn.execute(_CONSUME, values)).fetchone() is not None:
        return
    cursor = await conn.execute(_READ, (tenant.tenant_id, metric, values["period"]))
    row = await cursor.fetchone()
    used = row["used"] if row else 0
    limit = values["limit"]
    raise QuotaExceeded(
        _refusal(tenant, metric, limit, used),
        metric=metric,
        limit=limit,
        used=used,
        plan=tenant.plan.name,
    )


async def require(
    conn: Connection, tenant: TenantChanged, metric: str, now: datetime, *, count: int = 1
) -> None:
    """As `consume` without waiting for a result (see servicekit.db): beyond the limit the transaction fails.

    It does so with a psycopg.IntegrityError, which does not tell what is used, as `consume` does.
    """
    await conn.execute(_REQUIRE, _values(tenant, metric, now, count))


async def release(conn: Connection, tenant_id: UUID, metric: str, now: datetime, *, count: int = 1) -> None:
    """Gives back what is no longer used (a deleted staff member)."""
    await conn.execute(_RELEASE, (count, tenant_id, metric, _period(metric, now)))


async def snapshot(conn: Connection, tenant_id: UUID, now: datetime) -> dict[str, int]:
    """Metric to what is used of it now; every metric that was ever used."""
    cursor = await conn.execute(_SNAPSHOT, (month_of(now), tenant_id))
    return {row["metric"]: row["used"] for row in await cursor.fetchall()}


def _values(tenant: TenantChanged, metric: str, now: datetime, count: int) -> dict[str, Any]:
    return {
        "tenant": tenant.tenant_id,
        "metric": metric,
        "period": _period(metric, now),
        "count": count,
        "limit": getattr(tenant.limits, metric),
    }


def _period(metric: str, now: datetime) -> str:
    return month_of(now) if metric.endswith("_per_month") else ""


def _refusal(tenant: TenantChanged, metric: str, limit: int | None, used: int) -> str:
    """The problem's detail, for owners and visitors. A limit of 0 mostly means that the subscription has ended."""
    if not limit:
        return f"{tenant.display_name} takes no new {metric.removesuffix('_per_month')} at present."
    words = metric.replace("_per_month", " a month").replace("_", " ")
    return f"The plan {tenant.plan.display_name} allows {limit} {words}; {used} are used."
