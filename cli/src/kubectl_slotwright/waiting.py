"""Waits for what somebody else has to do, by looking again and again. Used by pause, resume and erase."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_EVERY_SECONDS = 0.5


def until(
    look: Callable[[], T | None],
    seconds: float,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T | None:
    """The first answer of `look` that is not None, or None when it has not come within that time.

    It is asked once even if `seconds` is 0.
    """
    end = monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        left = end - monotonic()
        if left <= 0:
            return None
        sleep(min(_EVERY_SECONDS, left))
