"""What a handler gets, and how its parameters are checked.

Each route names a `Params` model; a parameter that Stripe does not know there is refused, as Stripe refuses it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stripe_standin.errors import ApiError
from stripe_standin.forms import bracketed
from stripe_standin.store import Object
from stripe_standin.world import World

Metadata = dict[str, str]


def _unset(value: Any) -> Any:
    return None if value == "" else value


Text = Annotated[str | None, BeforeValidator(_unset), Field(max_length=5000)]
"""A string; an empty one unsets the field."""

Number = Annotated[int | None, BeforeValidator(_unset)]


class Bare(BaseModel):
    """Parameters of one route. Fields carry Stripe's names."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Params(Bare):
    """What nearly every route takes: references to expand."""

    expand: list[str] = Field(default=[], max_length=20)


class Nested(BaseModel):
    """An object within parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageParams(Params):
    """What every list takes."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    starting_after: str | None = None
    ending_before: str | None = None


class ListParams(PageParams):
    """What most lists take."""

    created: dict[str, int] | int | None = None


class NoParams(Params):
    """A route that takes nothing but `expand`."""


P = TypeVar("P", bound=Bare)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, once its key was checked."""

    world: World
    path: dict[str, str]
    raw: dict[str, Any]

    def read(self, model: type[P]) -> P:
        """The parameters. Raises ApiError as Stripe words it."""
        return parse(model, self.raw)


Handler = Callable[[Call], Object]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: `path` is Stripe's template, such as /v1/customers/{customer}."""

    method: str
    path: str
    params: type[Bare]
    handler: Handler


def parse(model: type[P], raw: dict[str, Any]) -> P:
    """Checks raw parameters against a model. Raises ApiError about the first that is wrong."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        param = bracketed(first["loc"])
        kind = first["type"]
        if kind == "extra_forbidden":
            raise ApiError(
                f"Received unknown parameter: {param}", code="parameter_unknown", param=param
            ) from None
        if kind == "missing":
            raise ApiError(
                f"Missing required param: {param}.", code="parameter_missing", param=param
            ) from None
        code = "parameter_invalid_integer" if kind == "int_parsing" else None
        raise ApiError(f"Invalid {param}: {first['msg']}", code=code, param=param) from None


def listed(things: list[Object], params: PageParams, url: str) -> Object:
    """One page of a newest-first list. Raises ApiError when a cursor is not of this list."""
    created = params.created if isinstance(params, ListParams) else None
    if isinstance(created, int):
        things = [thing for thing in things if thing["created"] == created]
    elif created:
        things = [thing for thing in things if _within(thing["created"], created)]
    ids = [thing["id"] for thing in things]
    if params.starting_after is not None:
        things = things[_index(ids, params.starting_after, "starting_after") + 1 :]
        page = things[: params.limit]
    elif params.ending_before is not None:
        things = things[: _index(ids, params.ending_before, "ending_before")]
        page = things[-params.limit :]
    else:
        page = things[: params.limit]
    return {"object": "list", "url": url, "has_more": len(things) > len(page), "data": page}


def _index(ids: list[str], key: str, param: str) -> int:
    if key not in ids:
        raise ApiError(f"No such object: '{key}'", code="resource_missing", param=param)
    return ids.index(key)


def _within(moment: int, bounds: dict[str, int]) -> bool:
    checks = {
        "gt": moment > bounds.get("gt", moment - 1),
        "gte": moment >= bounds.get("gte", moment),
        "lt": moment < bounds.get("lt", moment + 1),
        "lte": moment <= bounds.get("lte", moment),
    }
    unknown = set(bounds) - set(checks)
    if unknown:
        name = min(unknown)
        raise ApiError(f"Received unknown parameter: created[{name}]", param=f"created[{name}]")
    return all(checks[name] for name in bounds)


def merged(present: Metadata, given: Metadata | None) -> Metadata:
    """Metadata after an update: an empty value removes its key."""
    if given is None:
        return present
    return {key: value for key, value in (present | given).items() if value != ""}
