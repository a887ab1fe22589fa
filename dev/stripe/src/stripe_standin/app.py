"""Wires the stand-in: the API, the hosted pages, the control API, and the loop that sends webhooks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from stripe_standin import (
    catalog,
    checkout,
    control,
    customers,
    events,
    invoices,
    lifecycle,
    meters,
    pages,
    payments,
    portal,
    subscriptions,
)
from stripe_standin.requests import Route
from stripe_standin.server import Edge, unknown
from stripe_standin.settings import StandinSettings
from stripe_standin.store import Store
from stripe_standin.webhooks import Webhooks
from stripe_standin.world import World

ROUTES: tuple[Route, ...] = (
    *customers.ROUTES,
    *catalog.ROUTES,
    *payments.ROUTES,
    *subscriptions.ROUTES,
    *invoices.ROUTES,
    *checkout.ROUTES,
    *portal.ROUTES,
    *meters.ROUTES,
    *events.ROUTES,
)
"""Every operation of Stripe's API that the stand-in has."""


def create_app(settings: StandinSettings) -> FastAPI:
    """The whole stand-in as an ASGI app. Raises sqlite3.Error when the state file cannot be used."""
    world = World(settings, Store(settings.state_file))
    webhooks = Webhooks(settings)
    world.on_event = webhooks.add
    edge = Edge(world)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(webhooks.run()), asyncio.create_task(_clock(world))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            world.store.close()

    app = FastAPI(title="Stripe stand-in", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    for route in ROUTES:
        app.add_route(route.path, edge.endpoint(route), methods=[route.method])
    app.include_router(control.router(edge, webhooks))
    app.include_router(pages.router(world))
    app.add_route("/{path:path}", unknown, methods=["GET", "POST", "DELETE", "PUT", "PATCH"])
    return app


async def _clock(world: World) -> None:
    """Lets trials end and sessions expire while nobody asks."""
    while True:
        await asyncio.sleep(1)
        lifecycle.catch_up(world)
        world.store.commit()
