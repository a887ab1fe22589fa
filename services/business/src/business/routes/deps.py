"""What the handlers are given."""

from typing import Annotated

from fastapi import Depends, Request

from business.service import BusinessService


async def _service(request: Request) -> BusinessService:
    service: BusinessService = request.app.state.service
    return service


Business = Annotated[BusinessService, Depends(_service)]
"""The service layer."""
