"""Events: what happened, newest first; the same that webhooks carry."""

from typing import Annotated

from pydantic import Field

from stripe_standin.requests import Call, ListParams, NoParams, Route, listed
from stripe_standin.store import Object


class EventList(ListParams):
    type: str | None = None
    types: Annotated[list[str] | None, Field(max_length=20)] = None


def retrieve(call: Call) -> Object:
    call.read(NoParams)
    return call.world.store.get("event", call.path["id"])


def list_(call: Call) -> Object:
    params = call.read(EventList)

    def wanted(event: Object) -> bool:
        named = params.types or ([params.type] if params.type else None)
        return named is None or any(_fits(event["type"], name) for name in named)

    return listed(call.world.store.all("event", wanted), params, "/v1/events")


def _fits(kind: str, name: str) -> bool:
    return kind.startswith(name[:-1]) if name.endswith(".*") else kind == name


ROUTES = (
    Route("GET", "/v1/events", EventList, list_),
    Route("GET", "/v1/events/{id}", NoParams, retrieve),
)
