"""Every error as a page that says what happened and what to do; installed over servicekit's JSON problems.

The handlers for what is too large and for any other error are called by servicekit.http.edge.
"""

from urllib.parse import quote

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from servicekit.errors import PayloadTooLarge
from servicekit.http import words
from web.csrf import COOKIE, ForeignForm, FormOfAnotherSession
from web.forms import Form, Outdated
from web.gateway_client import ApiProblem, GatewayDown
from web.sessions import SignedOut

log = structlog.get_logger(__name__)

_OUTDATED = (
    "Somebody changed it meanwhile, so nothing was done. This is how it stands now; please decide again."
)
_NOT_SAVED = "You were signed out meanwhile, so this was not saved. Sign in, and make your change again."
_TYPED = f"{_NOT_SAVED} What you typed stands here, to be copied."
_EXPIRED = "This form has expired"
_TOO_MANY = {
    "public": "At the moment more people look at this business's pages than it can serve.",
    "visitor": words.FROM_ONE_PLACE,
    "address": words.FROM_ONE_PLACE,
    "sign-in": words.FROM_ONE_PLACE,
}
"""What a visitor reads, by the limit's name. A business's own limits keep the gateway's words, as only its members
meet them."""


def _page(request: Request, status: int, title: str, text: str, request_id: str = "") -> Response:
    own = str(request.scope.get("slotwright.request_id", ""))
    response: Response = request.app.state.service.pages.render(
        request, "error.html", status=status, title=title, text=text, request_id=request_id or own
    )
    return response


def _page_left(request: Request) -> str:
    """The page to come back to after signing in: the one that was asked for, or that of the form that was sent."""
    address = request.url if request.method == "GET" else URL(request.headers.get("referer", ""))
    try:
        return f"{address.path}?{address.query}" if address.query else address.path
    except ValueError:  # no browser sends such an address
        return ""


def _why_wait(error: ApiProblem) -> str:
    """Why and how long to wait. The gateway's own words speak of requests, which mean nothing to a visitor."""
    policy = error.body.get("policy")
    if not error.retry_after or policy not in _TOO_MANY:
        return error.detail
    return words.wait(_TOO_MANY[policy], error.retry_after)


async def _gateway_down(request: Request, error: GatewayDown) -> Response:
    response = _page(request, 503, *words.DOWN)
    response.headers["Retry-After"] = "5"
    return response


async def _signed_out(request: Request, error: SignedOut) -> Response:
    web = request.app.state.service
    page = _page_left(request)
    said = None if request.method == "GET" else _NOT_SAVED
    target = f"/login?next={quote(page)}" if page.startswith("/dashboard") else "/login"
    request.state.session = None
    form: Form | None = getattr(request.state, "form", None)
    response: Response
    if form is not None and (typed := form.prose()):
        response = web.pages.render(
            request, "signed_out.html", status=403, session=None, login=target, text=_TYPED, typed=typed
        )
    else:
        response = web.pages.redirect(request, target, said, failed=True)
    web.sessions.forget(response)
    return response


async def _foreign_form(request: Request, error: ForeignForm) -> Response:
    log.warning("form refused", reason=str(error))
    why = "in another browser" if COOKIE in request.cookies else "your browser keeps no cookies for this site"
    text = f"It was open for too long, or {why}. Go back, reload the page, and send it again."
    return _page(request, 403, _EXPIRED, text)


async def _form_of_another_session(request: Request, error: FormOfAnotherSession) -> Response:
    session = request.app.state.service.sessions.read(request)
    if session is None and request.url.path.startswith("/dashboard"):
        return await _signed_out(request, SignedOut(str(error)))
    log.warning("form refused", reason=str(error))
    why = "It was open for too long, or you have signed out since."
    if session is not None:
        why = (
            f"You have signed in since, or gone to another business: you are at {session.business_slug} now."
        )
    return _page(
        request, 403, _EXPIRED, f"{why} Go back, reload the page, and look before you send it again."
    )


async def _outdated(request: Request, error: Outdated) -> Response:
    response: Response = request.app.state.service.pages.redirect(request, error.page, _OUTDATED, failed=True)
    return response


async def _api_problem(request: Request, error: ApiProblem) -> Response:
    title, text = words.EXPECTED.get(error.status, (error.title, error.detail))
    if error.status == 429:
        text = _why_wait(error) or text
    if error.status == 403 and error.detail and error.slug != "forbidden":
        # Not for the role, but for example as the business is suspended.
        title, text = error.title, error.detail
    response = _page(request, error.status, title, text, error.request_id)
    if error.retry_after:
        response.headers["Retry-After"] = error.retry_after
    return response


async def _too_large(request: Request, error: PayloadTooLarge) -> Response:
    return _page(request, 413, words.TOO_LARGE, error.detail)


async def _no_such_page(request: Request, error: RequestValidationError) -> Response:
    return _page(request, 404, *words.EXPECTED[404])


async def _http_error(request: Request, error: HTTPException) -> Response:
    title, text = words.EXPECTED.get(error.status_code, ("This did not work", str(error.detail)))
    return _page(request, error.status_code, title, text)


async def _unexpected(request: Request, error: Exception) -> Response:
    return _page(request, 500, *words.UNEXPECTED)


def install(app: FastAPI) -> None:
    """Makes the app answer every error with a page."""
    app.exception_handler(GatewayDown)(_gateway_down)
    app.exception_handler(SignedOut)(_signed_out)
    app.exception_handler(ForeignForm)(_foreign_form)
    app.exception_handler(FormOfAnotherSession)(_form_of_another_session)
    app.exception_handler(Outdated)(_outdated)
    app.exception_handler(ApiProblem)(_api_problem)
    app.exception_handler(PayloadTooLarge)(_too_large)
    app.exception_handler(RequestValidationError)(_no_such_page)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(Exception)(_unexpected)
