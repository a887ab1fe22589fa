"""A business's figures by its local day, for all who work there. What each means: analytics.domain."""

import datetime as dt
from typing import Annotated

from fastapi import Query
from pydantic import Field

from analytics.domain import DEFAULT_DAYS, MAX_DAYS
from analytics.routes.deps import Analytics
from servicekit.http.models import Answer, Body, LocalDate
from servicekit.http.routes import Router
from servicekit.http.tokens import OWNER, Member

router = Router(tags=["analytics"])


class DaysQuery(Body):
    """Which days."""

    first: LocalDate | None = Field(
        default=None, alias="from", description=f"The first day. Without it, {DEFAULT_DAYS} days up to `to`."
    )
    last: LocalDate | None = Field(
        default=None,
        alias="to",
        description=f"The last day, inclusive; the range has {MAX_DAYS} days at most. Without it, today in the"
        " business's time zone.",
    )


class DayAnswer(Answer):
    date: dt.date
    booked: int = Field(description="Appointments booked on this day.")
    cancelled: int = Field(description="Appointments cancelled on this day.")
    completed: int = Field(description="Appointments of this day that took place.")
    no_shows: int = Field(
        description="Appointments of this day marked as no-show. If any of this day was marked as completed or"
        " no-show, the unsettled count here too."
    )
    unsettled: int = Field(
        description="Confirmed appointments of this day that ended more than 24 hours ago and were not marked as"
        " completed or no-show."
    )
    reminders_sent: int
    reminders_failed: int
    reminder_success_rate: float | None = Field(
        ge=0,
        le=1,
        description="The share of sent reminders among those sent and failed; null when there were none.",
    )


class SubscriptionAnswer(Answer):
    plan: str
    status: str = Field(description="Stripe's subscription status.")
    occurred_at: dt.datetime


class DailyAnswer(Answer):
    items: list[DayAnswer] = Field(
        description="One entry for each day, in order; all zeros for a day on which nothing happened."
    )
    first: dt.date = Field(serialization_alias="from")
    last: dt.date = Field(serialization_alias="to")
    timezone: str = Field(description="The business's time zone, in which its days begin and end.")
    subscription: SubscriptionAnswer | None = Field(
        description="For owners only: the subscription as billing last reported it; null without one."
    )


@router.get("/v1/analytics/daily", summary="Read the figures by day")
async def read_daily(days: Annotated[DaysQuery, Query()], who: Member, analytics: Analytics) -> DailyAnswer:
    daily = await analytics.daily(who.tenant_id, days.first, days.last)
    shown = daily.subscription if who.role == OWNER else None
    return DailyAnswer(
        items=[DayAnswer.model_validate(day) for day in daily.days],
        first=daily.span.first,
        last=daily.span.last,
        timezone=daily.span.zone,
        subscription=SubscriptionAnswer.model_validate(shown) if shown else None,
    )
