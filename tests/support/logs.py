"""What a process logged last, for who reads why a test failed; and logging as a service's process sets it up."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

_LINES = 40
_WIDTH = 400


def last_lines(log: Path) -> str:
    """Each cut: a traceback is a line of several thousand characters, and would be all that there is to read."""
    lines = log.read_text("utf-8", "replace").splitlines()[-_LINES:]
    return "\n".join(line if len(line) <= _WIDTH else f"{line[:_WIDTH]} …" for line in lines)


@contextmanager
def logs_kept_apart() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
