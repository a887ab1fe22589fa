"""The business's own profile, and its public face."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from business.domain import Profile
from business.routes.deps import Business
from business.routes.services import ServiceAnswer
from contracts.model import Slug
from contracts.platform import TenantChanged
from servicekit.http.headers import IfMatch, etag
from servicekit.http.models import Answer, Body, EmailAddress, Phone, Text
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(tags=["business"])


class ProfileBody(Body):
    description: Text = ""
    contact_email: EmailAddress | None = None
    contact_phone: Phone | None = None
    address: Annotated[str, Field(max_length=300)] | None = None


class ProfileAnswer(Answer):
    id: UUID
    slug: str
    display_name: str
    description: str
    contact_email: str | None
    contact_phone: str | None
    address: str | None
    timezone: str
    locale: str
    currency: str
    state: str
    plan: str
    version: int


class PublicStaff(Answer):
    id: UUID
    name: str


class PublicBusiness(Answer):
    slug: str
    display_name: str
    description: str
    contact_email: str | None
    contact_phone: str | None
    address: str | None
    timezone: str
    locale: str
    currency: str
    accepts_bookings: bool
    services: list[ServiceAnswer]
    staff: list[PublicStaff]


def _answer(tenant: TenantChanged, profile: Profile) -> ProfileAnswer:
    return ProfileAnswer(
        id=tenant.tenant_id,
        slug=tenant.slug,
        display_name=profile.display_name,
        description=profile.description,
        contact_email=profile.contact_email,
        contact_phone=profile.contact_phone,
        address=profile.address,
        timezone=tenant.timezone,
        locale=tenant.locale,
        currency=tenant.currency,
        state=tenant.state.value,
        plan=tenant.plan.name,
        version=profile.version,
    )


@router.get("/v1/business", summary="Read the business")
async def read_business(who: Member, business: Business, response: Response) -> ProfileAnswer:
    answer = _answer(*await business.profile(who.tenant_id))
    response.headers["ETag"] = etag(answer.version)
    return answer


@router.patch("/v1/business", summary="Edit the business")
async def edit_business(
    body: ProfileBody, who: Owner, version: IfMatch, business: Business, response: Response
) -> ProfileAnswer:
    answer = _answer(
        *await business.update_profile(who.tenant_id, version, body.model_dump(exclude_unset=True))
    )
    response.headers["ETag"] = etag(answer.version)
    return answer


@router.get("/v1/public/{slug}", summary="Read the public profile of a business")
async def read_public(slug: Slug, business: Business) -> PublicBusiness:
    tenant, profile, offers, members = await business.public_profile(slug)
    return PublicBusiness(
        slug=tenant.slug,
        display_name=profile.display_name,
        description=profile.description,
        contact_email=profile.contact_email,
        contact_phone=profile.contact_phone,
        address=profile.address,
        timezone=tenant.timezone,
        locale=tenant.locale,
        currency=tenant.currency,
        accepts_bookings=tenant.state == "active",
        services=[ServiceAnswer.of(tenant, offer) for offer in offers],
        staff=[PublicStaff(id=member.staff_id, name=member.name) for member in members],
    )
