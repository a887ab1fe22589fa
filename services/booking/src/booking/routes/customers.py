"""The business's customers, as their bookings told and the business has corrected."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field, StringConstraints, field_validator

from booking.domain import Customer
from booking.routes.deps import Records
from booking.routes.models import ConsentBody, CustomerAnswer
from contracts.booking import Consent
from servicekit.http.headers import IfMatch, etag
from servicekit.http.models import Body, EmailAddress, Locale, Name, Phone, Text, refuse_null
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(prefix="/v1/customers", tags=["customers"])

Beginning = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class CustomerEdit(Body):
    """Fields that are left out stay as they are. A customer must have an e-mail address or a phone number."""

    name: Name | None = None
    email: EmailAddress | None = None
    phone: Phone | None = None
    locale: Locale | None = None
    consent: ConsentBody | None = None
    notes: Text | None = Field(default=None, description="Notes that only the business sees.")

    _not_null = field_validator("name", "locale", "consent", "notes")(refuse_null)

    def fields(self) -> dict[str, Any]:
        """Those that are given, as booking.domain.Customer has them."""
        given: dict[str, Any] = self.model_dump(exclude_unset=True)
        if self.consent is not None:
            given["consent"] = Consent(email=self.consent.email, sms=self.consent.sms)
        return given


def _tagged(customer: Customer, response: Response) -> CustomerAnswer:
    response.headers["ETag"] = etag(customer.version)
    return CustomerAnswer.of(customer)


@router.get("", summary="List customers")
async def list_customers(
    who: Member,
    paging: Paging,
    records: Records,
    begins: Annotated[
        Beginning | None, Query(alias="q", description="The beginning of the name or of the e-mail address.")
    ] = None,
) -> Page[CustomerAnswer]:
    found = await records.customers_page(who.tenant_id, begins, paging.after_id(), paging.limit + 1)
    more = len(found) > paging.limit
    found = found[: paging.limit]
    cursor = encode_cursor(str(found[-1].customer_id)) if more else None
    return Page(items=[CustomerAnswer.of(item) for item in found], next_cursor=paging.link(cursor))


@router.get("/{customer_id}", summary="Read a customer")
async def read(customer_id: UUID, who: Member, records: Records, response: Response) -> CustomerAnswer:
    return _tagged(await records.customer(who.tenant_id, customer_id), response)


@router.patch("/{customer_id}", summary="Correct a customer")
async def edit(
    customer_id: UUID,
    body: CustomerEdit,
    who: Member,
    version: IfMatch,
    records: Records,
    response: Response,
) -> CustomerAnswer:
    found = await records.edit_customer(who.tenant_id, customer_id, version, body.fields())
    return _tagged(found, response)


@router.delete("/{customer_id}", status_code=204, summary="Erase a customer's personal data")
async def erase(customer_id: UUID, who: Owner, records: Records) -> None:
    """Erases the personal data; past appointments stay, without a name. Refused while there are appointments to
    come: cancel those first."""
    await records.erase_customer(who.tenant_id, customer_id)
