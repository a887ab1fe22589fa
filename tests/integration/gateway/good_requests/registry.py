"""What good requests are told to, and what several of them have. Used by the modules beside it."""

import secrets
from collections.abc import Callable
from typing import Any

from integration.gateway.bad_input import Good
from integration.gateway.sites import Site

ANY = {"If-Match": "*"}
CLOSED = (409,)
"""The one answer that a confirmed appointment to come, or a business billed by hand, has for it."""

_GOODS: dict[tuple[str, str], Callable[[Site], Good]] = {}


def goods(site: Site) -> dict[tuple[str, str], Good]:
    """The request for each method and path, ready to be sent once."""
    return {operation: make(site) for operation, make in _GOODS.items()}


def good(method: str, path: str) -> Callable[[Callable[[Site], Good]], Callable[[Site], Good]]:
    """Says that the function makes the good request of an operation."""

    def register(make: Callable[[Site], Good]) -> Callable[[Site], Good]:
        _GOODS[method, path] = make
        return make

    return register


def plain(*paths: str, **query: str) -> None:
    """GETs of the owner's that need nothing but a query."""
    for path in paths:
        _GOODS["GET", path] = lambda site: Good(query=query, person=site.mine.owner)


def keyed() -> dict[str, str]:
    """Headers of a creating POST."""
    return {"Idempotency-Key": secrets.token_hex(16)}


def no_number(body: dict[str, Any]) -> tuple[tuple[dict[str, Any], str], ...]:
    """Text messages wanted, and no number for them."""
    change = {"consent": {"email": True, "sms": True}, "customer": body["customer"] | {"phone": None}}
    return ((change, "/customer/phone"),)


def of_another(site: Site) -> dict[str, str]:
    """A service and a member of staff of another business."""
    return {"service_id": site.other.service, "staff_id": site.other.staff}
