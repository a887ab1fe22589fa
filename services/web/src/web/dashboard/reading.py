"""What several of the dashboard's pages ask the API for, as who is signed in."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from web.gateway_client import ApiProblem
from web.service import Web

OPEN = frozenset({"pending", "confirmed"})
"""The statuses of an appointment that is still to take place, or is taking place."""


@dataclass(frozen=True, slots=True)
class Names:
    """The business's profile, and names of its services and staff by id."""

    business: Mapping[str, Any]
    services: Mapping[str, str]
    staff: Mapping[str, str]


async def profile(request: Request, site: Web) -> dict[str, Any]:
    """The business's own profile: name, zone, currency, state."""
    found: dict[str, Any] = (await site.sessions.call(request, "GET", "/v1/business")).data
    return found


async def names(request: Request, site: Web) -> Names:
    """What every list of appointments needs to show names instead of ids."""
    business, services, staff = await asyncio.gather(
        profile(request, site),
        everything(request, site, "/v1/services"),
        everything(request, site, "/v1/staff"),
    )
    return Names(
        business,
        {item["id"]: item["name"] for item in services},
        {item["id"]: item["name"] for item in staff},
    )


async def everything(
    request: Request, site: Web, path: str, query: Mapping[str, str] | None = None, *, pages: int = 10
) -> list[dict[str, Any]]:
    """All items of a list, page by page, up to `pages` of 200."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(pages):
        asked = dict(query or {}) | {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        answer = (await site.sessions.call(request, "GET", path, query=asked)).data
        items += answer["items"]
        cursor = answer.get("next_cursor")
        if cursor is None:
            break
    return items


async def if_there(request: Request, site: Web, path: str) -> dict[str, Any] | None:
    """What the API has at this path; None where it has nothing there (404)."""
    try:
        found: dict[str, Any] = (await site.sessions.call(request, "GET", path)).data
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        return None
    return found


def next_page(page: str, chosen: Mapping[str, str], answer: Mapping[str, Any]) -> str | None:
    """The address of the next part of the list that `page` shows with the query `chosen`; None at its end."""
    cursor = answer.get("next_cursor")
    return f"{page}?{urlencode({**chosen, 'cursor': cursor})}" if cursor else None
