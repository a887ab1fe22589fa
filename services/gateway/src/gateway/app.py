"""Wires the gateway: the one place that knows every part. Run by `gateway.__main__`, and by tests."""

from fastapi import FastAPI
from starlette.routing import Route

from gateway import pages, refusals
from gateway.admission import Admission
from gateway.cors import Cors
from gateway.credentials import Credentials
from gateway.documents import MergedDocument
from gateway.frame import Frame
from gateway.metrics import TENANTS
from gateway.proxy import Proxy
from gateway.ratelimits import RateLimiter
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams
from servicekit.directory import TenantDirectory
from servicekit.http.tokens import RemoteKeys, TokenVerifier
from servicekit.runtime import Parts, Service
from servicekit.settings import KafkaSettings, Settings, TokenSettings


def build(settings: Settings) -> Parts:
    """Makes the parts from the environment's settings."""
    assert isinstance(settings, GatewaySettings)  # noqa: S101 - SERVICE says so
    tokens = TokenSettings()
    keys = RemoteKeys(tokens)
    verifier = TokenVerifier.of_settings(keys, tokens, settings.public_url)
    directory = TenantDirectory("gateway", KafkaSettings())
    TENANTS.set_function(lambda: len(directory.tenants))
    upstreams = Upstreams(settings)
    admission = Admission(settings, Credentials(verifier, keys), directory, RateLimiter())
    document = MergedDocument(upstreams, public_url=settings.public_url, seconds=settings.openapi_seconds)
    proxy = Proxy(settings, admission, upstreams)

    def customize(app: FastAPI) -> None:
        # The app's own document has only the gateway's routes: the merged one replaces it.
        app.router.routes[:] = [
            route
            for route in app.router.routes
            if not (isinstance(route, Route) and route.path == app.openapi_url)
        ]
        app.router.routes.extend(pages.router(document, admission).routes)
        refusals.install(app)
        app.router.redirect_slashes = False
        app.router.default = proxy
        app.add_middleware(
            Frame, cors=Cors(settings.cors_origins), https=settings.public_url.startswith("https:")
        )

    return Parts(
        verifier=verifier,
        loops=[keys, directory, upstreams],
        checks=[keys.ready, directory.ready],
        customize=customize,
    )


SERVICE = Service("gateway", GatewaySettings, build)
