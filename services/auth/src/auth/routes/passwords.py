"""Setting a password by a link from a mail, and asking for such a link."""

from fastapi import Response
from pydantic import Field

from auth.routes.deps import Auth, ClientAddress, GivenPassword
from servicekit.http.headers import Idempotency, respond
from servicekit.http.models import Answer, Body, EmailAddress
from servicekit.http.routes import Router

router = Router(tags=["passwords"])


class ResetRequest(Body):
    email: EmailAddress


class ResetRequestAnswer(Answer):
    message: str


class NewPassword(Body):
    token: str = Field(
        min_length=1, max_length=200, description="The token in the link of an invitation or of a reset mail."
    )
    password: GivenPassword


class PasswordAnswer(Answer):
    email: str = Field(description="The e-mail address to sign in with.")


@router.post(
    "/v1/passwords/reset-requests",
    status_code=202,
    response_model=ResetRequestAnswer,
    summary="Request a mail to reset a password",
)
async def request_reset(body: ResetRequest, key: Idempotency, address: ClientAddress, auth: Auth) -> Response:
    """Answers the same whether or not somebody has this address."""
    answer = ResetRequestAnswer(message="If somebody here has this address, a mail is on its way to it.")
    return respond(await auth.links.request_reset(key, body.email, address, answer))


@router.post("/v1/passwords/reset", summary="Set a password by a link")
async def set_password(body: NewPassword, auth: Auth) -> PasswordAnswer:
    """Each link works once: a repeated request is refused and changes nothing."""
    email = await auth.links.set_password(body.token, body.password.get_secret_value())
    return PasswordAnswer(email=email)
