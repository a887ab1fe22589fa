"""Signing in and out, and setting a password by the link of an invitation or of a reset mail."""

import re

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.csrf import FormOfAnotherSession
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site
from web.sessions import SignedOut, session_from

router = Router(include_in_schema=False)

_NEXT = re.compile(r"/dashboard(/[A-Za-z0-9_-]+)*(\?[A-Za-z0-9_=&%:.+-]*)?")
_PASSWORD_FIELDS = {"/password": "password", "/token": "token"}


@router.get("/login")
async def login(request: Request, site: Site, next: str = "") -> Response:  # noqa: A002 - it stands in the address
    if site.sessions.read(request) is not None:
        return site.pages.redirect(request, next if _NEXT.fullmatch(next) else "/dashboard")
    form = Form({"next": next if _NEXT.fullmatch(next) else ""})
    return site.pages.render(request, "account/login.html", form=form)


@router.post("/login")
async def sign_in(request: Request, site: Site) -> Response:
    form = await read_form(request)
    form.require("email", "password")
    if not form.faults:
        body = {"email": form.get("email"), "password": form.get("password")}
        try:
            answer = await site.gateway.call("POST", "/v1/sessions", body=body)
        except ApiProblem as problem:
            if problem.status not in {400, 401, 403, 422, 429}:
                raise
            form.faults[""] = _refusal(problem)
    if not form.faults:
        try:
            session = session_from(answer.data)
        except SignedOut:
            form.faults[""] = "This account belongs to no business yet."
    if form.faults:
        return site.pages.render(request, "account/login.html", status=422, form=form)
    target = form.get("next") if _NEXT.fullmatch(form.get("next")) else "/dashboard"
    if target == "/dashboard" and len(answer.data["businesses"]) > 1:
        # The session is at the business last used, which need not be the one that they want.
        target = "/dashboard/businesses"
    response = site.pages.redirect(request, target)
    site.sessions.start(response, session)
    return response


def _refusal(problem: ApiProblem) -> str:
    # auth's own 429 says how long to wait; any other is the gateway's limit, which lasts a minute.
    if problem.status == 403 or problem.slug == "too-many-attempts":
        return problem.detail
    if problem.status == 429:
        return "There were too many tries. Wait a minute, then try again."
    return "The e-mail or the password is not right."


@router.post("/logout")
async def sign_out(request: Request, site: Site) -> Response:
    try:
        await read_form(request)
    except FormOfAnotherSession:
        if site.sessions.read(request) is not None:
            raise
        # Signed out already, in another tab.
    await site.sessions.end(request)
    response = site.pages.redirect(request, "/", "You are signed out.")
    site.sessions.forget(response)
    return response


@router.get("/forgot-password")
async def forgot(request: Request, site: Site) -> Response:
    return site.pages.render(request, "account/forgot.html", form=Form(), sent=False)


@router.post("/forgot-password")
async def request_reset(request: Request, site: Site) -> Response:
    form = await read_form(request)
    form.require("email")
    if not form.faults:
        try:
            body = {"email": form.get("email")}
            await site.gateway.call("POST", "/v1/passwords/reset-requests", body=body)
        except ApiProblem as problem:
            if problem.status not in {400, 422, 429}:
                raise
            form.absorb(problem, {"/email": "email"})
    status = 422 if form.faults else 200
    return site.pages.render(request, "account/forgot.html", status=status, form=form, sent=not form.faults)


@router.get("/set-password")
async def choose_password(request: Request, site: Site) -> Response:
    return site.pages.render(request, "account/set_password.html", form=Form())


@router.post("/set-password")
async def set_password(request: Request, site: Site) -> Response:
    form = await read_form(request)
    form.require("token", "password")
    if form.get("password") and form.get("password") != form.get("password_again"):
        form.faults["password_again"] = "The two passwords are not the same."  # noqa: S105 - a sentence
    if not form.faults:
        body = {"token": form.get("token"), "password": form.get("password")}
        try:
            await site.gateway.call("POST", "/v1/passwords/reset", body=body)
        except ApiProblem as problem:
            if problem.status not in {400, 401, 403, 404, 409, 410, 422}:
                raise
            form.absorb(problem, _PASSWORD_FIELDS)
    if form.faults:
        return site.pages.render(request, "account/set_password.html", status=422, form=form)
    # Somebody else than the link's holder may be signed in here, and /login would skip its form for them.
    await site.sessions.end(request)
    response = site.pages.redirect(request, "/login", "Your password is set. Sign in with it.")
    site.sessions.forget(response)
    return response
