"""A request's client address, for services that limit what one client does: auth and booking, in their routes."""

from fastapi import Request


def client_address(request: Request, *, behind_gateway: bool) -> str:
    """The client's address as text; `unknown` for one without.

    The gateway strips what came in and writes one address; anything before the last comma is not its own. Without
    the header, and where there is no gateway, it is the socket's.
    """
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",") if behind_gateway else [""]
    return hops[-1].strip() or (request.client.host if request.client else "unknown")
