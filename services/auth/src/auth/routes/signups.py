"""Sign-ups: asking for a business without an account, and polling until it is there."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from auth.domain import Signup
from auth.routes.deps import Auth, ClientAddress
from auth.signups import Wanted
from contracts.model import TENANT_TIMEZONE, CurrencyCode, Slug
from servicekit.http.headers import Idempotency, respond
from servicekit.http.models import Answer, Body, EmailAddress, Locale, Name, TimeZone
from servicekit.http.routes import Router

router = Router(tags=["sign-up"])


class NewSignup(Body):
    email: EmailAddress = Field(description="The owner's e-mail address, to which the invitation is sent.")
    name: Name = Field(description="The owner's name.")
    business_name: Name
    slug: Slug
    plan: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    timezone: Annotated[TimeZone, Field(pattern=TENANT_TIMEZONE)]
    locale: Locale
    currency: CurrencyCode


class SignupAnswer(Answer):
    id: UUID
    status: str = Field(description="requested, provisioned or failed.")
    message: str
    slug: str
    business_id: UUID | None
    created_at: datetime


def _answer(signup: Signup) -> SignupAnswer:
    return SignupAnswer(
        id=signup.signup_id,
        status=signup.state.value,
        message=signup.message,
        slug=signup.slug,
        business_id=signup.business_id,
        created_at=signup.created_at,
    )


@router.post("/v1/signups", status_code=202, response_model=SignupAnswer, summary="Sign up a business")
async def sign_up(body: NewSignup, key: Idempotency, address: ClientAddress, auth: Auth) -> Response:
    """Answers before the business exists: poll the URL in `Location`."""
    outcome = await auth.signups.request(key, Wanted(**body.model_dump()), address, _answer)
    signup_id = SignupAnswer.model_validate_json(outcome.body).id
    return respond(outcome, location=f"/v1/signups/{signup_id}")


@router.get("/v1/signups/{signup_id}", summary="Read the state of a sign-up")
async def read_signup(signup_id: UUID, auth: Auth) -> SignupAnswer:
    return _answer(await auth.signups.read(signup_id))
