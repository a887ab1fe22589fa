"""The router that every module of routes declares: each route refuses what it does not name.

servicekit.http.app takes the routes of a service's routers over as they are. FastAPI's `include_router` would build
each of them a second time, for the app that it is included in: a good part of a service's start, and most of what a
test of a page took. Nor is a request then matched twice.
"""

from collections.abc import Sequence

from fastapi import APIRouter, Depends

from servicekit.http.declared import refuse_undeclared


class Router(APIRouter):
    """FastAPI's; those of pages, which stand in no document, have nothing to be compared with."""

    def __init__(self, *, prefix: str = "", tags: Sequence[str] = (), include_in_schema: bool = True) -> None:
        super().__init__(
            prefix=prefix,
            tags=list(tags),
            include_in_schema=include_in_schema,
            dependencies=[Depends(refuse_undeclared)] if include_in_schema else None,
        )
