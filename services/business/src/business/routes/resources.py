"""Rooms, chairs and devices: what services need beside staff."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import Field, field_validator

from business.domain import Resource
from business.routes.deps import Business
from business.routes.hours import Exceptions, WeeklyHours, exceptions, hours
from contracts.business import Hours, HoursException
from servicekit.http.headers import Idempotency, IfMatch, etag, respond
from servicekit.http.models import Answer, Body, Name, TimeZone, refuse_null
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(prefix="/v1/resources", tags=["resources"])

Capacity = Annotated[int, Field(ge=1, le=1000, description="How many identical ones there are.")]


class NewResource(Body):
    name: Name
    timezone: TimeZone | None = Field(default=None, description="The business's time zone by default.")
    capacity: Capacity = 1
    weekly_hours: WeeklyHours | None = Field(
        default=None, description="Opening hours. Without any, it is always open."
    )
    exceptions: Exceptions = Field(default_factory=list)


class ResourceEdit(Body):
    name: Name | None = None
    timezone: TimeZone | None = None
    capacity: Capacity | None = None
    weekly_hours: WeeklyHours | None = Field(
        default=None, description="Opening hours. null makes it always open."
    )
    exceptions: Exceptions | None = Field(default=None, description="Replaces all exceptions.")

    _not_null = field_validator("name", "timezone", "capacity", "exceptions")(refuse_null)


class ResourceAnswer(Answer):
    id: UUID
    version: int
    name: str
    timezone: str
    capacity: int
    weekly_hours: list[Hours] | None
    exceptions: list[HoursException]


def _fields(body: NewResource | ResourceEdit) -> dict[str, Any]:
    """Those that were given, as Resource takes them."""
    given: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if given.get("weekly_hours") is not None:
        given["weekly_hours"] = tuple(hours(given["weekly_hours"]))
    if "exceptions" in given:
        given["exceptions"] = tuple(exceptions(given["exceptions"]))
    return given


def _answer(resource: Resource) -> ResourceAnswer:
    weekly = resource.weekly_hours
    return ResourceAnswer(
        id=resource.resource_id,
        version=resource.version,
        name=resource.name,
        timezone=resource.timezone,
        capacity=resource.capacity,
        weekly_hours=None if weekly is None else list(weekly),
        exceptions=list(resource.exceptions),
    )


def _tagged(resource: Resource, response: Response) -> ResourceAnswer:
    response.headers["ETag"] = etag(resource.version)
    return _answer(resource)


@router.post("", status_code=201, response_model=ResourceAnswer, summary="Add a resource")
async def add_resource(body: NewResource, who: Owner, key: Idempotency, business: Business) -> Response:
    plain: dict[str, Any] = {"timezone": None, "capacity": 1, "weekly_hours": None, "exceptions": ()}
    return respond(await business.resources.add(who.tenant_id, key, plain | _fields(body), _answer))


@router.get("", summary="List resources")
async def list_resources(who: Member, paging: Paging, business: Business) -> Page[ResourceAnswer]:
    found = await business.resources.page(who.tenant_id, paging.after_id(), paging.limit + 1)
    more = len(found) > paging.limit
    found = found[: paging.limit]
    cursor = encode_cursor(str(found[-1].resource_id)) if more else None
    return Page(items=[_answer(item) for item in found], next_cursor=paging.link(cursor))


@router.get("/{resource_id}", summary="Read a resource")
async def read_resource(
    resource_id: UUID, who: Member, business: Business, response: Response
) -> ResourceAnswer:
    return _tagged(await business.resources.read(who.tenant_id, resource_id), response)


@router.patch("/{resource_id}", summary="Edit a resource")
async def edit_resource(
    resource_id: UUID,
    body: ResourceEdit,
    who: Owner,
    version: IfMatch,
    business: Business,
    response: Response,
) -> ResourceAnswer:
    edited = await business.resources.edit(who.tenant_id, resource_id, version, _fields(body))
    return _tagged(edited, response)


@router.delete("/{resource_id}", status_code=204, summary="Delete a resource")
async def delete_resource(resource_id: UUID, who: Owner, business: Business) -> None:
    """Refused with 409 while a service needs it."""
    await business.resources.delete(who.tenant_id, resource_id)
