"""The business's customers, as their bookings told."""

from uuid import UUID

from fastapi import APIRouter

from booking.routes.deps import Booking
from booking.routes.models import CustomerAnswer
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.tokens import Member

router = APIRouter(prefix="/v1/customers", tags=["customers"])


@router.get("")
async def list_customers(who: Member, paging: Paging, booking: Booking) -> Page[CustomerAnswer]:
    found = await booking.customers_page(who.tenant_id, paging.after_id(), paging.limit + 1)
    more = len(found) > paging.limit
    found = found[: paging.limit]
    cursor = encode_cursor(str(found[-1].customer_id)) if more else None
    return Page(items=[CustomerAnswer.of(item) for item in found], next_cursor=paging.link(cursor))


@router.get("/{customer_id}")
async def read(customer_id: UUID, who: Member, booking: Booking) -> CustomerAnswer:
    return CustomerAnswer.of(await booking.customer(who.tenant_id, customer_id))
