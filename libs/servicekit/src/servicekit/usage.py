"""What a tenant uses of its plan's limits, counted in the transaction of the use.

`consume`, or `begin` and `finish`, is the only way to use something up: one statement that counts and checks, under
the row's lock, so that the thousandth of a thousand is granted once however many ask. Metrics are the field names
of contracts.platform.Limits; monthly ones count by calendar month in UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.platform import TenantChanged
from servicekit.db import Connection, Cursor
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


@dataclass(frozen=True, slots=True)
class Counting:
    """Something that is being counted; `finish` says whether it was granted."""

    conn: Connection
    tenant: TenantChanged
    metric: str
    period: str
    counting: Cursor

    async def finish(self) -> None:
        """Raises QuotaExceeded, with nothing counted, when the limit does not allow it."""
        if await self.counting.fetchone() is not None:
            return
        cursor = await self.conn.execute(_READ, (self.tenant.tenant_id, self.metric, self.period))
        row = await cursor.fetchone()
        used = row["used"] if row else 0
        limit = getattr(self.tenant.limits, self.metric)
        plan = self.tenant.plan.display_name
        raise QuotaExceeded(
            f"The plan {plan} allows {limit} {_words(self.metric)}; {used} are used.",
            metric=self.metric,
            limit=limit,
            used=used,
            plan=self.tenant.plan.name,
        )


async def begin(
    conn: Connection, tenant: TenantChanged, metric: str, now: datetime, *, count: int = 1
) -> Counting:
    """As `consume`, for a pipeline: it goes along with what is fetched next, and `finish` has to be called."""
    period = _period(metric, now)
    values = {
        "tenant": tenant.tenant_id,
        "metric": metric,
        "period": period,
        "count": count,
        "limit": getattr(tenant.limits, metric),
    }
    return Counting(conn, tenant, metric, period, await conn.execute(_CONSUME, values))


async def consume(
    conn: Connection, tenant: TenantChanged, metric: str, now: datetime, *, count: int = 1
) -> None:
    """Counts `count` of `metric`; raises QuotaExceeded, with nothing counted, when the limit does not allow it."""
    await (await begin(conn, tenant, metric, now, count=count)).finish()


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
