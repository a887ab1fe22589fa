"""What a tenant uses of its plan's limits, counted in the transaction of the use.

`consume` is the only way to use something up: one statement that counts and checks, under the row's lock, so that
the thousandth of a thousand is granted once however many ask. Metrics are the field names of
contracts.platform.Limits; monthly ones count by calendar month in UTC.
"""

from datetime import datetime
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
_READ = b"SELECT used FROM usage WHERE tenant_id = %s AND metric = %s AND period = %s"
_RELEASE = b"""
UPDATE usage SET used = greatest(0, used - %s), unreported = true
WHERE tenant_id = %s AND metric = %s AND period = %s
"""
_SNAPSHOT = b"SELECT metric, used FROM usage WHERE tenant_id = %s AND period IN ('', %s)"


def month_of(now: datetime) -> str:
    """The period of a monthly limit, `YYYY-MM` in UTC."""
    return now.strftime("%Y-%m")


async def consume(
    conn: Connection, tenant: TenantChanged, metric: str, now: datetime, *, count: int = 1
) -> None:
    """Counts `count` of `metric`; raises QuotaExceeded, with nothing counted, when the limit does not allow it."""
    limit = getattr(tenant.limits, metric)
    period = _period(metric, now)
    cursor = await conn.execute(
        _CONSUME,
        {"tenant": tenant.tenant_id, "metric": metric, "period": period, "count": count, "limit": limit},
    )
    if await cursor.fetchone() is not None:
        return
    cursor = await conn.execute(_READ, (tenant.tenant_id, metric, period))
    row = await cursor.fetchone()
    used = row["used"] if row else 0
    plan = tenant.plan.display_name
    raise QuotaExceeded(
        f"The plan {plan} allows {limit} {_words(metric)}; {used} are used.",
        metric=metric,
        limit=limit,
        used=used,
        plan=tenant.plan.name,
    )


async def release(conn: Connection, tenant_id: UUID, metric: str, now: datetime, *, count: int = 1) -> None:
    """Gives back what is no longer used (a deleted staff member)."""
    await conn.execute(_RELEASE, (count, tenant_id, metric, _period(metric, now)))


async def snapshot(conn: Connection, tenant_id: UUID, now: datetime) -> dict[str, int]:
    """Metric to what is used of it now."""
    cursor = await conn.execute(_SNAPSHOT, (tenant_id, month_of(now)))
    return {row["metric"]: row["used"] for row in await cursor.fetchall()}


def _period(metric: str, now: datetime) -> str:
    return month_of(now) if metric.endswith("_per_month") else ""


def _words(metric: str) -> str:
    return metric.replace("_per_month", " a month").replace("_", " ")
