"""Staff members, their weekly hours and the exceptions to them."""

from uuid import UUID

from fastapi import Response
from pydantic import Field, field_validator

from business.domain import StaffMember
from business.routes.deps import Business
from business.routes.hours import ExceptionBody, WeeklyHours, hours, intervals
from contracts.business import Hours, HoursException
from servicekit.http.headers import Idempotency, IfMatch, etag, respond
from servicekit.http.models import Answer, Body, EmailAddress, LocalDate, Name, TimeZone, refuse_null
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(tags=["staff"])


class NewStaff(Body):
    name: Name
    email: EmailAddress | None = None
    timezone: TimeZone | None = Field(default=None, description="The business's time zone by default.")
    weekly_hours: WeeklyHours = Field(default_factory=list)


class StaffEdit(Body):
    name: Name | None = None
    email: EmailAddress | None = None
    timezone: TimeZone | None = None

    _not_null = field_validator("name", "timezone")(refuse_null)


class WeeklyHoursBody(Body):
    weekly_hours: WeeklyHours


class StaffAnswer(Answer):
    id: UUID
    version: int
    name: str
    email: str | None
    timezone: str
    weekly_hours: list[Hours]
    exceptions: list[HoursException]


def _answer(member: StaffMember) -> StaffAnswer:
    return StaffAnswer(
        id=member.staff_id,
        version=member.version,
        name=member.name,
        email=member.email,
        timezone=member.timezone,
        weekly_hours=list(member.weekly_hours),
        exceptions=list(member.exceptions),
    )


def _tagged(member: StaffMember, response: Response) -> StaffAnswer:
    response.headers["ETag"] = etag(member.version)
    return _answer(member)


@router.post("/v1/staff", status_code=201, response_model=StaffAnswer, summary="Add a staff member")
async def add_staff(body: NewStaff, who: Owner, key: Idempotency, business: Business) -> Response:
    outcome = await business.add_staff(
        who.tenant_id, key, body.name, body.email, body.timezone, hours(body.weekly_hours), _answer
    )
    return respond(outcome)


@router.get("/v1/staff", summary="List staff members")
async def list_staff(who: Member, paging: Paging, business: Business) -> Page[StaffAnswer]:
    members = await business.staff_page(who.tenant_id, paging.after_id(), paging.limit + 1)
    more = len(members) > paging.limit
    members = members[: paging.limit]
    cursor = encode_cursor(str(members[-1].staff_id)) if more else None
    return Page(items=[_answer(member) for member in members], next_cursor=paging.link(cursor))


@router.get("/v1/staff/{staff_id}", summary="Read a staff member")
async def read_staff(staff_id: UUID, who: Member, business: Business, response: Response) -> StaffAnswer:
    return _tagged(await business.staff_member(who.tenant_id, staff_id), response)


@router.patch("/v1/staff/{staff_id}", summary="Edit a staff member")
async def edit_staff(
    staff_id: UUID, body: StaffEdit, who: Owner, version: IfMatch, business: Business, response: Response
) -> StaffAnswer:
    fields = body.model_dump(exclude_unset=True)
    return _tagged(await business.edit_staff(who.tenant_id, staff_id, version, **fields), response)


@router.delete("/v1/staff/{staff_id}", status_code=204, summary="Delete a staff member")
async def delete_staff(staff_id: UUID, who: Owner, business: Business) -> None:
    """Refused with 409 while a service needs a larger team than the remaining staff."""
    await business.delete_staff(who.tenant_id, staff_id)


@router.get("/v1/staff/{staff_id}/hours", summary="Read the weekly hours")
async def read_hours(staff_id: UUID, who: Member, business: Business, response: Response) -> list[Hours]:
    return _tagged(await business.staff_member(who.tenant_id, staff_id), response).weekly_hours


@router.put("/v1/staff/{staff_id}/hours", summary="Set the weekly hours")
async def set_hours(
    staff_id: UUID,
    body: WeeklyHoursBody,
    who: Owner,
    version: IfMatch,
    business: Business,
    response: Response,
) -> StaffAnswer:
    weekly = tuple(hours(body.weekly_hours))
    return _tagged(await business.edit_staff(who.tenant_id, staff_id, version, weekly_hours=weekly), response)


@router.get("/v1/staff/{staff_id}/exceptions", summary="List the dates with hours of their own")
async def list_exceptions(staff_id: UUID, who: Member, business: Business) -> list[HoursException]:
    return list((await business.staff_member(who.tenant_id, staff_id)).exceptions)


@router.put("/v1/staff/{staff_id}/exceptions/{day}", summary="Set the hours of a date")
async def set_exception(
    staff_id: UUID, day: LocalDate, body: ExceptionBody, who: Owner, business: Business, response: Response
) -> StaffAnswer:
    member = await business.set_exception(who.tenant_id, staff_id, day, intervals(body.intervals))
    return _tagged(member, response)


@router.delete("/v1/staff/{staff_id}/exceptions/{day}", status_code=204, summary="Remove the hours of a date")
async def delete_exception(staff_id: UUID, day: LocalDate, who: Owner, business: Business) -> None:
    await business.set_exception(who.tenant_id, staff_id, day, None)
