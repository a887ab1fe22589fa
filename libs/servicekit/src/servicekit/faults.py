"""Named points at which a test may end the process, to prove what a crash there leaves behind.

A test starts a service with `SLOTWRIGHT_FAULT=<point>`; the process then kills itself (SIGKILL, no cleanup) when
it reaches that point for the first time. Without the variable, `reached` is one dictionary look-up.
"""

import os
import signal

_POINT = os.environ.get("SLOTWRIGHT_FAULT")


def reached(point: str) -> None:
    """Marks a point between two steps that a crash may separate."""
    if point == _POINT:
        os.kill(os.getpid(), signal.SIGKILL)
