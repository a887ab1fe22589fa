"""What the handlers are given."""

from typing import Annotated

from fastapi import Depends, Request

from billing.service import BillingService


async def _service(request: Request) -> BillingService:
    service: BillingService = request.app.state.service
    return service


Billing = Annotated[BillingService, Depends(_service)]
"""The service layer."""
