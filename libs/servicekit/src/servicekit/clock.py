"""Time as a dependency: everything that reads the time takes a `Clock`, so that tests give their own."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current instant, aware, in UTC: the Clock of production."""
    return datetime.now(UTC)
