"""The service layer: what the routes can ask for."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics import store
from analytics.domain import (
    DEFAULT_DAYS,
    MAX_DAYS,
    SETTLE_WITHIN,
    DayFigures,
    Span,
    Subscription,
    figures,
)
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.errors import Invalid
from servicekit.tenants import tenant_by_id


@dataclass(frozen=True, slots=True)
class Daily:
    """A business's figures by day."""

    span: Span
    days: list[DayFigures]
    subscription: Subscription | None


class AnalyticsService:
    """What the routes can ask for."""

    def __init__(self, db: Database, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._clock = clock

    async def daily(self, tenant_id: UUID, first: date | None, last: date | None) -> Daily:
        """The figures of the days from `first` to `last`, both included.

        `last` defaults to today in the business's time zone, `first` to DEFAULT_DAYS days up to `last`. Raises
        NotFound, Invalid.
        """
        now = self._clock()
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            last = last or now.astimezone(ZoneInfo(tenant.timezone)).date()
            first = first or last - timedelta(days=DEFAULT_DAYS - 1)
            if last < first:
                raise Invalid.field("?from", f"must not be after to, which is {last}")
            if (last - first).days >= MAX_DAYS:
                raise Invalid.field(
                    "?from", f"must be {MAX_DAYS - 1} days before to at most: {MAX_DAYS} days"
                )
            span = Span(first, last, tenant.timezone)
            counts = await store.counts(conn, tenant_id, span, now - SETTLE_WITHIN)
            subscription = await store.subscription(conn, tenant_id)
        return Daily(span, figures(span, counts), subscription)
