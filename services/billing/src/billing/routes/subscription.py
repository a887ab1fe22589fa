"""The business's subscription, the pages at Stripe for it, and its invoices. For the owner."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Response
from pydantic import Field

from billing.domain import Checkout
from billing.routes.deps import Billing
from billing.service import Standing
from contracts.model import Money
from servicekit.errors import Invalid
from servicekit.http.headers import Idempotency, respond
from servicekit.http.models import Answer, Body
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

router = Router(tags=["billing"])

ReturnPath = Annotated[
    str,
    Field(
        max_length=500,
        pattern=r"^/([A-Za-z0-9._~?=&%-][A-Za-z0-9._~/?=&%-]*)?$",
        description="The path of this site's page to return to.",
    ),
]


class PlanAnswer(Answer):
    name: str
    display_name: str
    price: Money
    interval: Literal["month", "year"]


class SubscriptionAnswer(Answer):
    mode: Literal["Stripe", "Manual"]
    state: str | None = Field(
        description="Stripe's subscription status, `manual`, or null while it is being set up."
    )
    plan: PlanAnswer
    customer_id: str | None
    subscription_id: str | None
    current_period_end: datetime | None
    trial_end: datetime | None
    cancel_at_period_end: bool
    has_payment_method: bool
    checkout_url: str | None = Field(
        description="The page on which to pay or to enter a card, while one is open; otherwise null."
    )

    @classmethod
    def of(cls, standing: Standing) -> "SubscriptionAnswer":
        tenant, account, subscription = standing.tenant, standing.account, standing.subscription
        manual = tenant.billing.mode == "Manual"
        plan = tenant.plan
        return cls(
            mode=tenant.billing.mode,
            state="manual" if manual else subscription.status if subscription else None,
            plan=PlanAnswer(
                name=plan.name, display_name=plan.display_name, price=plan.price, interval=plan.interval
            ),
            customer_id=account.customer_id if account else None,
            subscription_id=subscription.subscription_id if subscription else None,
            current_period_end=subscription.current_period_end if subscription else None,
            trial_end=subscription.trial_end if subscription else None,
            cancel_at_period_end=subscription.cancel_at_period_end if subscription else False,
            has_payment_method=account.has_payment_method if account else False,
            checkout_url=None if manual else standing.checkout_url,
        )


class PageBody(Body):
    return_path: ReturnPath = "/dashboard"


class CheckoutAnswer(Answer):
    id: str
    url: str
    mode: Literal["setup", "subscription"] = Field(
        description="`setup` stores a card, `subscription` starts the subscription."
    )
    expires_at: datetime


class PortalAnswer(Answer):
    id: str
    url: str


class Amount(Answer):
    """An amount in minor units of the currency; the total of a credit is negative."""

    amount: int
    currency: str


class InvoiceAnswer(Answer):
    id: str
    number: str | None
    status: str
    total: Amount
    amount_due: Amount
    amount_paid: Amount
    created_at: datetime
    period_start: datetime
    period_end: datetime
    hosted_invoice_url: str | None
    invoice_pdf: str | None


def _checkout(session: Checkout) -> CheckoutAnswer:
    return CheckoutAnswer(
        id=session.session_id, url=session.url, mode=session.mode, expires_at=session.expires_at
    )


def _portal(session_id: str, url: str) -> PortalAnswer:
    return PortalAnswer(id=session_id, url=url)


@router.get("/v1/billing/subscription", summary="Read the subscription")
async def read_subscription(who: Owner, billing: Billing) -> SubscriptionAnswer:
    return SubscriptionAnswer.of(await billing.standing(who.tenant_id))


@router.post(
    "/v1/billing/checkout-sessions",
    status_code=201,
    response_model=CheckoutAnswer,
    summary="Open a page to pay or enter a card",
)
async def open_checkout(body: PageBody, who: Owner, key: Idempotency, billing: Billing) -> Response:
    return respond(await billing.open_checkout(who.tenant_id, key, body.return_path, _checkout))


@router.post(
    "/v1/billing/portal-sessions",
    status_code=201,
    response_model=PortalAnswer,
    summary="Open Stripe's customer portal",
)
async def open_portal(body: PageBody, who: Owner, key: Idempotency, billing: Billing) -> Response:
    return respond(await billing.open_portal(who.tenant_id, key, body.return_path, _portal))


@router.get("/v1/billing/invoices", summary="List invoices")
async def list_invoices(who: Owner, paging: Paging, billing: Billing) -> Page[InvoiceAnswer]:
    found = await billing.invoices(who.tenant_id, _before(paging.after), paging.limit + 1)
    more = len(found) > paging.limit
    found = found[: paging.limit]
    cursor = encode_cursor(found[-1].created_at.isoformat(), found[-1].invoice_id) if more else None
    items = [
        InvoiceAnswer(
            id=item.invoice_id,
            number=item.number,
            status=item.status,
            total=Amount(amount=item.total, currency=item.currency),
            amount_due=Amount(amount=item.amount_due, currency=item.currency),
            amount_paid=Amount(amount=item.amount_paid, currency=item.currency),
            created_at=item.created_at,
            period_start=item.period_start,
            period_end=item.period_end,
            hosted_invoice_url=item.hosted_invoice_url,
            invoice_pdf=item.invoice_pdf,
        )
        for item in found
    ]
    return Page(items=items, next_cursor=paging.link(cursor))


def _before(after: tuple[str, ...]) -> tuple[datetime, str] | None:
    if not after:
        return None
    try:
        moment, key = after
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        raise Invalid.field("?cursor", "is not a cursor of this list") from None
    if parsed.tzinfo is None:
        raise Invalid.field("?cursor", "is not a cursor of this list")
    return parsed, key
