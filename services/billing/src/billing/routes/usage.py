"""What the business uses of its plan, as billing counts it. For the owner."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from billing.routes.deps import Billing
from contracts.platform import Limits
from servicekit.http.models import Answer
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

router = Router(tags=["billing"])

Month = Annotated[
    str | None,
    Query(
        pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$",
        description="The month in UTC, as YYYY-MM; the present one by default.",
    ),
]


class MetricAnswer(Answer):
    metric: str
    limit: int | None = Field(description="The plan's limit; null when there is none.")
    used: int | None = Field(description="What was used of it; null where billing does not count it.")


class AppointmentsAnswer(Answer):
    booked: int = 0
    rescheduled: int = 0
    cancelled: int = 0
    completed: int = 0
    no_show: int = 0


class UsageAnswer(Answer):
    month: str
    plan: str
    metrics: list[MetricAnswer]
    appointments: AppointmentsAnswer


@router.get("/v1/usage", summary="Read a month's usage")
async def read_usage(who: Owner, billing: Billing, month: Month = None) -> UsageAnswer:
    tenant, shown, counts = await billing.usage(who.tenant_id, month)
    used = {"bookings_per_month": counts.get("booked", 0)}
    metrics = [
        MetricAnswer(metric=metric, limit=getattr(tenant.limits, metric), used=used.get(metric))
        for metric in Limits.model_fields
    ]
    return UsageAnswer(
        month=shown, plan=tenant.plan.name, metrics=metrics, appointments=AppointmentsAnswer(**counts)
    )
