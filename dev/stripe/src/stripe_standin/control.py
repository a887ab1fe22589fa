"""The control API under /_standin/: time, webhooks gone wrong, outages, and a look inside. For tests and demos.

It is not Stripe's and takes no key: whoever reaches the stand-in may use it. JSON in, JSON out.
"""

import dataclasses
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from stripe_standin import lifecycle
from stripe_standin.server import Edge, Outage
from stripe_standin.webhooks import Mischief, Webhooks


class Control(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Advance(Control):
    """How far to move the clock."""

    days: Annotated[int, Field(ge=0, le=3660)] = 0
    seconds: Annotated[int, Field(ge=0, le=366 * 24 * 3600)] = 0


class WebhookMischief(Control):
    """See webhooks.Mischief; a field left out takes its default."""

    hold: bool = False
    copies: Annotated[int, Field(ge=0, le=10)] = 0
    shuffle: bool = False
    fail: Annotated[int, Field(ge=0)] = 0
    lose: Annotated[int, Field(ge=0)] = 0


class Release(Control):
    order: Literal["given", "reversed", "shuffled"] = "given"


class Dunning(Control):
    """See World.after_retries."""

    after_retries: Literal["canceled", "unpaid"] = "canceled"


class OutageBody(Control):
    """See server.Outage."""

    status: Annotated[int, Field(ge=400, le=599)] = 503
    requests: Annotated[int | None, Field(ge=1)] = None
    path: str | None = None
    kept: bool = False


def router(edge: Edge, webhooks: Webhooks) -> APIRouter:
    """The routes over this edge and these webhooks."""
    world = edge.world
    routes = APIRouter(prefix="/_standin")

    @routes.get("/health")
    async def health() -> dict[str, Any]:
        counts = {kind: len(world.store.all(kind)) for kind in world.store.kinds() if kind[0] != "_"}
        return {"status": "ok", "objects": counts}

    @routes.get("/clock")
    async def clock() -> dict[str, int]:
        return {"now": world.now, "skipped": world.skipped}

    @routes.post("/clock/advance")
    async def advance(body: Advance) -> dict[str, int]:
        lifecycle.advance(world, body.days * 24 * 3600 + body.seconds)
        world.store.commit()
        return {"now": world.now, "skipped": world.skipped}

    @routes.get("/webhooks")
    async def state() -> dict[str, Any]:
        return {
            "mischief": dataclasses.asdict(webhooks.mischief),
            "waiting": webhooks.waiting,
            "records": [dataclasses.asdict(record) for record in webhooks.records],
        }

    @routes.put("/webhooks/mischief")
    async def mischief(body: WebhookMischief) -> dict[str, Any]:
        webhooks.mischief = Mischief(**body.model_dump())
        return body.model_dump()

    @routes.post("/webhooks/release")
    async def release(body: Release) -> dict[str, int]:
        return {"released": webhooks.release(body.order)}

    @routes.post("/events/{event_id}/resend")
    async def resend(event_id: str) -> dict[str, str]:
        event = world.store.find("event", event_id)
        if event is None:
            raise HTTPException(404, "There is no such event.")
        webhooks.add(event)
        return {"resent": event_id}

    @routes.put("/dunning")
    async def dunning(body: Dunning) -> dict[str, Any]:
        world.after_retries = body.after_retries
        return body.model_dump()

    @routes.put("/outage")
    async def outage(body: OutageBody) -> dict[str, Any]:
        edge.outage = Outage(**body.model_dump())
        return body.model_dump()

    @routes.delete("/outage")
    async def recover() -> dict[str, bool]:
        edge.outage = None
        return {"outage": False}

    @routes.get("/requests")
    async def seen() -> list[dict[str, Any]]:
        return list(edge.seen)

    @routes.get("/objects/{kind}")
    async def objects(kind: str) -> list[dict[str, Any]]:
        return world.store.all(kind)

    @routes.post("/reset")
    async def reset() -> dict[str, bool]:
        world.store.clear()
        webhooks.clear()
        edge.seen.clear()
        edge.outage = None
        world.after_retries = "canceled"
        return {"reset": True}

    return routes
