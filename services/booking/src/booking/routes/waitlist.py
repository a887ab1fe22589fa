"""The waitlist: joined on the public page, answered by an entry's link, kept in view by the business."""

import datetime as dt
from typing import Annotated, Self
from uuid import UUID

from fastapi import Path, Response
from pydantic import ConfigDict, Field, model_validator

from booking.routes.deps import ClientAddress, Waitlist
from booking.routes.managed import BusinessAnswer, NamedAnswer
from booking.routes.models import (
    Answers,
    BookedAnswer,
    ConsentBody,
    CustomerAnswer,
    CustomerBody,
    StartsAt,
)
from booking.waitlist.domain import EntryState, SlotOffer
from booking.waitlist.line import JoinRequest
from booking.waitlist.service import Listed, Waiting
from contracts.model import Money, Slug
from servicekit.errors import Invalid
from servicekit.http.headers import Idempotency, respond
from servicekit.http.models import Answer, Body, Instant, TimeZone
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.questions import QuestionAnswer
from servicekit.http.routes import Router
from servicekit.http.tokens import Member

links = Router(prefix="/v1/public/waitlist", tags=["waitlist by link"])
public = Router(prefix="/v1/public/{slug}", tags=["public booking"])
router = Router(prefix="/v1/waitlist", tags=["waitlist"])

Token = Annotated[str, Path(max_length=100)]


class JoinBody(Body):
    service_id: UUID
    staff_id: UUID | None = Field(
        default=None, description="The staff member to wait for. Without it, anyone."
    )
    earliest: Instant = Field(
        alias="from", description="The earliest start that suits. The beginning of today means now."
    )
    latest: Instant = Field(
        alias="to", description="The start must be before this time, which is within 62 days of `from`."
    )
    customer: CustomerBody
    consent: ConsentBody = Field(description="Consent to e-mail is required, as offers are sent by e-mail.")
    timezone: TimeZone | None = Field(
        default=None, description="The time zone in which times are shown to the customer."
    )

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if not self.consent.email:
            raise Invalid.field("/consent/email", "is needed: a time that becomes free is offered by e-mail")
        if self.consent.sms and self.customer.phone is None:
            raise Invalid.field("/customer/phone", "is needed for messages by SMS")
        return self

    def request(self) -> JoinRequest:
        """As booking.waitlist.line takes it."""
        return JoinRequest(
            service_id=self.service_id,
            staff_id=self.staff_id,
            earliest=self.earliest,
            latest=self.latest,
            person=self.customer.person(self.consent),
            timezone=self.timezone,
        )


class WindowAnswer(Answer):
    """With the window as `from` and `to`."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    earliest: dt.datetime = Field(alias="from")
    latest: dt.datetime = Field(alias="to")


class OfferAnswer(Answer):
    """A time that is kept for the customer until `expires_at`."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    staff_ids: list[UUID]
    expires_at: dt.datetime

    @classmethod
    def of(cls, slot: SlotOffer | None) -> "OfferAnswer | None":
        if slot is None:
            return None
        return cls(
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
            staff_ids=list(slot.staff_ids),
            expires_at=slot.expires_at,
        )


class WaitingAnswer(WindowAnswer):
    """A place on the waitlist. The token is its key: whoever holds it may take what is offered, or leave.

    `state`: waiting, offered; or at its end booked, left, removed (by the business, or with the service or the
    person that it was for), unanswered (three offers were let pass) or over (the window has passed).
    """

    id: UUID
    state: EntryState
    timezone: str
    business: BusinessAnswer
    service: NamedAnswer
    staff_id: UUID | None
    staff: list[NamedAnswer] = Field(
        description="The names of the staff members who are asked for or offered."
    )
    price: Money
    questions: list[QuestionAnswer] = Field(
        description="The questions that the service asks now, for accepting an offer."
    )
    offer: OfferAnswer | None
    manage_url: str | None = Field(description="The appointment's link, once it is booked.")
    url: str
    token: str

    @classmethod
    def of(cls, waiting: Waiting) -> "WaitingAnswer":
        tenant, entry, service = waiting.tenant, waiting.entry, waiting.service
        return cls(
            id=entry.entry_id,
            state=entry.state,
            earliest=entry.earliest,
            latest=entry.latest,
            timezone=entry.timezone,
            business=BusinessAnswer.of(tenant),
            service=NamedAnswer(id=service.service_id, name=service.name),
            staff_id=entry.staff_id,
            staff=[NamedAnswer(id=one.resource_id, name=one.name) for one in waiting.people],
            price=Money(amount=service.price_amount, currency=service.currency),
            questions=[QuestionAnswer.of(question) for question in service.questions],
            offer=OfferAnswer.of(waiting.slot),
            manage_url=waiting.booked.manage_url if waiting.booked else None,
            url=waiting.url,
            token=waiting.token,
        )


class EntryAnswer(WindowAnswer):
    """An entry as the business sees it; `offers` is the number of offers that were made for it."""

    id: UUID
    state: EntryState
    service_id: UUID
    staff_id: UUID | None
    timezone: str
    created_at: dt.datetime
    customer: CustomerAnswer
    offer: OfferAnswer | None
    offers: int

    @classmethod
    def of(cls, listed: Listed) -> "EntryAnswer":
        entry = listed.entry
        return cls(
            id=entry.entry_id,
            state=entry.state,
            service_id=entry.service_id,
            staff_id=entry.staff_id,
            earliest=entry.earliest,
            latest=entry.latest,
            timezone=entry.timezone,
            created_at=entry.created_at,
            customer=CustomerAnswer.of(listed.customer),
            offer=OfferAnswer.of(listed.slot),
            offers=listed.offers,
        )


class AcceptBody(Body):
    answers: Answers = Field(default_factory=list)


class OfferBody(Body):
    starts_at: StartsAt
    staff_id: UUID | None = Field(
        default=None, description="The staff member to offer. Without it, whoever is free and least busy."
    )


@public.post("/waitlist", status_code=201, response_model=WaitingAnswer, summary="Join the waitlist")
async def join(
    body: JoinBody, key: Idempotency, slug: Slug, address: ClientAddress, waitlist: Waitlist
) -> Response:
    """Waits for a time to become free, which is then kept for the customer and offered by e-mail.

    A customer has one place on the waitlist for each service.
    """
    return respond(await waitlist.join(slug, key, body.request(), address, WaitingAnswer.of))


@links.get("/{token}", summary="Read a place on the waitlist")
async def read(token: Token, waitlist: Waitlist) -> WaitingAnswer:
    return WaitingAnswer.of(await waitlist.by_link(token))


@links.delete("/{token}", summary="Leave the waitlist")
async def leave(token: Token, waitlist: Waitlist) -> WaitingAnswer:
    """An offered time is given back at once."""
    return WaitingAnswer.of(await waitlist.leave(token))


@links.post("/{token}/accept", status_code=201, response_model=BookedAnswer, summary="Accept an offered time")
async def accept(
    token: Token, key: Idempotency, waitlist: Waitlist, body: AcceptBody | None = None
) -> Response:
    """Books the time that is offered. The body may be left out where no question requires an answer.

    A repeated request answers the same appointment.
    """
    given = [item.given() for item in body.answers] if body else []
    return respond(await waitlist.accept(token, key, given, BookedAnswer.of))


@router.get("", summary="List the waitlist's entries")
async def list_entries(
    who: Member,
    paging: Paging,
    waitlist: Waitlist,
    state: EntryState | None = None,
    service: UUID | None = None,
) -> Page[EntryAnswer]:
    """Entries in the order in which the customers joined."""
    found = await waitlist.page(
        who.tenant_id, state=state, service_id=service, after=paging.after_id(), limit=paging.limit + 1
    )
    shown = found[: paging.limit]
    cursor = encode_cursor(str(shown[-1].entry.entry_id)) if len(found) > paging.limit else None
    return Page(items=[EntryAnswer.of(item) for item in shown], next_cursor=paging.link(cursor))


@router.get("/{entry_id}", summary="Read an entry of the waitlist")
async def read_entry(entry_id: UUID, who: Member, waitlist: Waitlist) -> EntryAnswer:
    return EntryAnswer.of(await waitlist.entry(who.tenant_id, entry_id))


@router.post(
    "/{entry_id}/offer", status_code=201, response_model=EntryAnswer, summary="Offer a time to an entry"
)
async def offer(
    entry_id: UUID, body: OfferBody, who: Member, key: Idempotency, waitlist: Waitlist
) -> Response:
    """Offers a time by hand, out of turn."""
    return respond(
        await waitlist.offer(who.tenant_id, entry_id, key, body.starts_at, body.staff_id, EntryAnswer.of)
    )


@router.delete("/{entry_id}", status_code=204, summary="Remove an entry")
async def remove(entry_id: UUID, who: Member, waitlist: Waitlist) -> None:
    await waitlist.remove(who.tenant_id, entry_id)
