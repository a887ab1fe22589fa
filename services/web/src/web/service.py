"""What the pages work with, wired once by `web.app` and found at `app.state.service`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from web.csrf import FormGuard
from web.gateway_client import Gateway
from web.rendering import Pages
from web.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Web:
    """The gateway's client, who is signed in, the guard of forms, the renderer, and the plan of sign-ups."""

    gateway: Gateway
    sessions: Sessions
    guard: FormGuard
    pages: Pages
    signup_plan: str


async def _web(request: Request) -> Web:
    web: Web = request.app.state.service
    return web


Site = Annotated[Web, Depends(_web)]
"""What a page's handler is given."""
