"""What the handlers are given."""

from typing import Annotated

from fastapi import Depends, Request

from notification.rules import Rules
from notification.service import NotificationService


# Asynchronous, though nothing is awaited: FastAPI runs other dependencies in a thread.
async def _service(request: Request) -> NotificationService:
    service: NotificationService = request.app.state.service
    return service


Notification = Annotated[NotificationService, Depends(_service)]
"""The service layer: what was sent, and the audit trail."""


async def _rules(notification: Notification) -> Rules:
    return notification.rules


MessageRules = Annotated[Rules, Depends(_rules)]
"""The service layer: the rules of messages."""
