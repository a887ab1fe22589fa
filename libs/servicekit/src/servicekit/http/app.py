"""The app factory: a FastAPI app with health, readiness, metrics, problems and the edge around it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import structlog
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from servicekit.health import Health
from servicekit.http import problems
from servicekit.http.edge import EdgeMiddleware
from servicekit.http.routes import Router
from servicekit.http.tokens import TokenVerifier
from servicekit.settings import Settings

log = structlog.get_logger(__name__)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    name: str,
    settings: Settings,
    health: Health,
    *,
    routers: Sequence[Router] = (),
    service: object | None = None,
    verifier: TokenVerifier | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """Builds the app. Routes find the service layer at `app.state.service` and tokens' verifier beside it."""
    app = FastAPI(
        title=f"Slotwright {name}",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
        separate_input_output_schemas=False,
        # Its spans hold whole paths, and a path may hold a customer's link: the edge makes the request's span.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.service = service
    app.state.verifier = verifier
    problems.install(app)
    for router in routers:
        app.router.routes.extend(router.routes)
    _add_probes(app, health)
    app.add_middleware(EdgeMiddleware, max_body_bytes=settings.max_body_bytes)
    return app


def _add_probes(app: FastAPI, health: Health) -> None:
    async def healthz() -> Response:
        faults = health.faults()
        if faults:  # whoever asked is about to end the process: its log says why
            log.error("not alive", faults=faults)
        return JSONResponse({"faults": faults}, 503 if faults else 200)

    async def readyz() -> Response:
        missing = await health.missing()
        return JSONResponse({"missing": missing}, 503 if missing else 200)

    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    for path, probe in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_api_route(path, probe, include_in_schema=False)
