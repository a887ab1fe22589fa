"""A business's figures by its local day, for all who work there. What each means: analytics.domain."""

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from analytics.domain import DEFAULT_DAYS, MAX_DAYS
from analytics.routes.deps import Analytics
from servicekit.http.models import Answer, Body, LocalDate
from servicekit.http.tokens import OWNER, Member

router = APIRouter(tags=["analytics"])


class DaysQuery(Body):
    """Which days."""

    first: LocalDate | None = Field(
        default=None, alias="from", description=f"The first day; without it, {DEFAULT_DAYS} days up to `to`."
    )
    last: LocalDate | None = Field(
        default=None,
        alias="to",
        description=f"The last day, included; {MAX_DAYS} days at most. Without it, the business's today.",
    )


class DayAnswer(Answer):
    date: dt.date
    booked: int = Field(description="Appointments booked on this day.")
    cancelled: int = Field(description="Appointments cancelled on this day.")
    completed: int = Field(description="Appointments of this day that took place.")
    no_shows: int = Field(
        description="Appointments of this day marked as no-show and, if any of the day was settled, the unsettled."
    )
    unsettled: int = Field(
        description="Confirmed appointments of this day that ended over 24 h ago, and nobody said how."
    )
    reminders_sent: int
    reminders_failed: int
    reminder_success_rate: float | None = Field(
        ge=0, le=1, description="Sent, of those sent and failed; null without any."
    )


class SubscriptionAnswer(Answer):
    plan: str
    status: str = Field(description="Stripe's subscription status.")
    occurred_at: dt.datetime


class DailyAnswer(Answer):
    items: list[DayAnswer] = Field(description="One for each day, in order; zeros where nothing happened.")
    first: dt.date = Field(serialization_alias="from")
    last: dt.date = Field(serialization_alias="to")
    timezone: str = Field(description="The business's, in which its days begin and end.")
    subscription: SubscriptionAnswer | None = Field(
        description="For the owner: the subscription as billing last told of it; null without one."
    )


@router.get("/v1/analytics/daily")
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
