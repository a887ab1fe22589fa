"""What the handlers are given."""

from typing import Annotated

from fastapi import Depends, Request

from notification.rules import Rules
from notification.service import NotificationService


def _service(request: Request) -> NotificationService:
    service: NotificationService = request.app.state.service
    return service


def _rules(request: Request) -> Rules:
    return _service(request).rules


Notification = Annotated[NotificationService, Depends(_service)]
"""What was sent."""

MessageRules = Annotated[Rules, Depends(_rules)]
"""What is laid down about what is sent."""
