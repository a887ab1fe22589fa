"""Wires web: the one place that knows every part. Run by `web.__main__`, and by tests."""

from fastapi import FastAPI

from servicekit.runtime import Parts, Service
from servicekit.settings import Settings
from web import dashboard, errors, pages
from web.cookies import CookieBox
from web.csrf import FormGuard
from web.gateway_client import Gateway
from web.headers import HeadersMiddleware
from web.rendering import Assets, Pages
from web.service import Web
from web.sessions import Sessions
from web.settings import WebSettings


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    assert isinstance(settings, WebSettings)  # noqa: S101 - SERVICE says so
    gateway = Gateway(settings.gateway_url, timeout_seconds=settings.gateway_timeout)
    box = CookieBox(settings.cookie_key.get_secret_value())
    sessions = Sessions(gateway, box, secure=settings.secure_cookies)
    guard = FormGuard(box, sessions, secure=settings.secure_cookies)
    renderer = Pages(box, sessions, guard, public_url=settings.public_url, secure=settings.secure_cookies)

    def customize(app: FastAPI) -> None:
        errors.install(app)
        app.mount("/static", Assets(renderer.digests), name="static")
        app.add_middleware(HeadersMiddleware)

    site = Web(gateway, sessions, guard, renderer, settings.signup_plan)
    return Parts(
        routers=(*pages.ROUTERS, *dashboard.ROUTERS), service=site, loops=[gateway], customize=customize
    )


SERVICE = Service("web", WebSettings, build)
