"""What the handlers are given."""

from typing import Annotated

from fastapi import Depends, Request
from pydantic import Field, SecretStr

from auth.service import AuthService
from servicekit.http.clients import client_address
from servicekit.http.tokens import ADMIN, OWNER, STAFF, Principal, allow


async def _service(request: Request) -> AuthService:
    service: AuthService = request.app.state.service
    return service


Auth = Annotated[AuthService, Depends(_service)]
"""The service layer."""

Anyone = Annotated[Principal, Depends(allow(OWNER, STAFF, ADMIN))]
"""Anyone who is signed in."""


async def _client_address(request: Request, auth: Auth) -> str:
    return client_address(request, behind_gateway=auth.behind_gateway)


ClientAddress = Annotated[str, Depends(_client_address)]
"""Where the request came from, as text."""

GivenPassword = Annotated[SecretStr, Field(min_length=1, max_length=1024)]
"""A password as it was typed; rules about new ones are auth.domain's."""
