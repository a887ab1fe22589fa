"""The service catalog: what can be booked, how long it takes, what it costs, who performs it."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Response
from pydantic import AfterValidator, Field, model_validator

from business.domain import ServiceOffer
from business.routes.deps import Business
from contracts.business import ResourceNeed
from contracts.model import Money
from contracts.platform import TenantChanged
from servicekit.http.headers import Idempotency, IfMatch, etag, respond
from servicekit.http.models import Answer, Body, Name, Text
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.questions import QuestionAnswer
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(tags=["services"])

Minutes = Annotated[int, Field(ge=0, le=1440)]


class NeedBody(Body):
    resource_ids: Annotated[
        list[UUID],
        Field(
            min_length=1,
            max_length=100,
            description="The resources to choose from: the first that are free are taken.",
        ),
    ]
    count: Annotated[int, Field(ge=1, le=1000, description="How many places of them are needed at once.")] = 1


def _distinct(choices: list[str]) -> list[str]:
    if len(set(choices)) != len(choices):
        raise ValueError("two choices are the same")
    return choices


class QuestionBody(Body):
    id: UUID | None = Field(
        default=None, description="The id of a question that is kept. A new question is given an id."
    )
    label: Annotated[Name, Field(max_length=120, description="The text of the question.")]
    kind: Literal["text", "choice", "checkbox"]
    choices: Annotated[list[Name], Field(max_length=50), AfterValidator(_distinct)] = Field(
        default_factory=list
    )
    required: bool = False

    @model_validator(mode="after")
    def _choices_are_for_a_choice(self) -> Self:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("choices are needed for a choice, and for nothing else")
        return self


class ServiceBody(Body):
    name: Name
    description: Text = ""
    duration_minutes: Annotated[int, Field(ge=1, le=1440)]
    buffer_before_minutes: Minutes = 0
    buffer_after_minutes: Minutes = 0
    slot_step_minutes: Annotated[
        int, Field(ge=1, le=1440, description="How many minutes apart the offered starts are.")
    ] = 15
    minimum_notice_minutes: Annotated[int, Field(ge=0, le=525_600)] = 0
    booking_window_days: Annotated[
        int, Field(ge=1, le=730, description="How many days ahead the service can be booked.")
    ] = 60
    cancellation_window_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=525_600,
            description="Customers may move or cancel until so many minutes before the start.",
        ),
    ] = 0
    capacity: Annotated[
        int,
        Field(ge=1, le=1000, description="The number of places; more than one makes the service a class."),
    ] = 1
    requires_confirmation: bool = False
    price_amount: Annotated[
        int, Field(ge=0, le=100_000_000, description="The price in minor units of the business's currency.")
    ]
    staff_ids: Annotated[list[UUID], Field(max_length=500)]
    staff_count: Annotated[
        int,
        Field(ge=1, le=50, description="How many staff members take part; more than one makes them a team."),
    ] = 1
    needs: Annotated[
        list[NeedBody],
        Field(max_length=10, description="The rooms and equipment that it takes besides staff."),
    ] = Field(default_factory=list)
    questions: Annotated[list[QuestionBody], Field(max_length=20)] = Field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """As ServiceOffer takes them, with the staff as they were named and the questions as they came."""
        needs = tuple(ResourceNeed(resource_ids=need.resource_ids, count=need.count) for need in self.needs)
        return self.model_dump() | {"staff_ids": tuple(self.staff_ids), "needs": needs}


class ServiceAnswer(Answer):
    id: UUID
    version: int
    name: str
    description: str
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    slot_step_minutes: int
    minimum_notice_minutes: int
    booking_window_days: int
    cancellation_window_minutes: int
    capacity: int
    requires_confirmation: bool
    price: Money
    staff_ids: list[UUID]
    staff_count: int
    needs: list[ResourceNeed]
    questions: list[QuestionAnswer]

    @classmethod
    def of(cls, tenant: TenantChanged, offer: ServiceOffer) -> "ServiceAnswer":
        """The offer with its price in the tenant's currency."""
        return cls(
            id=offer.service_id,
            version=offer.version,
            name=offer.name,
            description=offer.description,
            duration_minutes=offer.duration_minutes,
            buffer_before_minutes=offer.buffer_before_minutes,
            buffer_after_minutes=offer.buffer_after_minutes,
            slot_step_minutes=offer.slot_step_minutes,
            minimum_notice_minutes=offer.minimum_notice_minutes,
            booking_window_days=offer.booking_window_days,
            cancellation_window_minutes=offer.cancellation_window_minutes,
            capacity=offer.capacity,
            requires_confirmation=offer.requires_confirmation,
            price=Money(amount=offer.price_amount, currency=tenant.currency),
            staff_ids=list(offer.staff_ids),
            staff_count=offer.staff_count,
            needs=list(offer.needs),
            questions=[QuestionAnswer.of(question) for question in offer.questions],
        )


@router.post("/v1/services", status_code=201, response_model=ServiceAnswer, summary="Add a service")
async def add_service(body: ServiceBody, who: Owner, key: Idempotency, business: Business) -> Response:
    return respond(await business.add_service(who.tenant_id, key, body.fields(), ServiceAnswer.of))


@router.get("/v1/services", summary="List services")
async def list_services(who: Member, paging: Paging, business: Business) -> Page[ServiceAnswer]:
    tenant, offers = await business.services_page(who.tenant_id, paging.after_id(), paging.limit + 1)
    more = len(offers) > paging.limit
    offers = offers[: paging.limit]
    cursor = encode_cursor(str(offers[-1].service_id)) if more else None
    return Page(items=[ServiceAnswer.of(tenant, offer) for offer in offers], next_cursor=paging.link(cursor))


@router.get("/v1/services/{service_id}", summary="Read a service")
async def read_service(
    service_id: UUID, who: Member, business: Business, response: Response
) -> ServiceAnswer:
    answer = ServiceAnswer.of(*await business.offer(who.tenant_id, service_id))
    response.headers["ETag"] = etag(answer.version)
    return answer


@router.put("/v1/services/{service_id}", summary="Replace a service")
async def replace_service(
    service_id: UUID, body: ServiceBody, who: Owner, version: IfMatch, business: Business, response: Response
) -> ServiceAnswer:
    answer = ServiceAnswer.of(
        *await business.replace_service(who.tenant_id, service_id, version, body.fields())
    )
    response.headers["ETag"] = etag(answer.version)
    return answer


@router.delete("/v1/services/{service_id}", status_code=204, summary="Delete a service")
async def delete_service(service_id: UUID, who: Owner, business: Business) -> None:
    await business.delete_service(who.tenant_id, service_id)
