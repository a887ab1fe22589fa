"""What the handlers are given."""

from typing import Annotated

from fastapi import Depends, Request

from analytics.service import AnalyticsService


async def _service(request: Request) -> AnalyticsService:
    service: AnalyticsService = request.app.state.service
    return service


Analytics = Annotated[AnalyticsService, Depends(_service)]
"""The service layer."""
