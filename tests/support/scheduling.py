"""Which tests one worker runs in one go, for pytest-xdist: those that share servers, and how it is told.

A file's tests share processes. The files of some folders share more: a Kafka, an API server, all services. Spread
over workers each of these would have its own, from its first test to the end; on two cores those that nobody asks
anything were a fifth of what the tests took.
"""

from collections import Counter
from pathlib import PurePath

import pytest
from xdist.scheduler import LoadScopeScheduling

_FIRST = ("operator", "integration/gateway", "chaos")
"""Folders of this one, those that take longest first."""
_LATE = ("integration/web",)
"""Behind all else that starts servers: all services run for them until the worker ends."""


class ByServers(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Work for a worker is a file, or a folder of those."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid.partition("::")[0])


def unit_of(file: str) -> str:
    """What the file, given as in a test's id, is run with."""
    folder = PurePath(file).parent.as_posix()
    return folder if folder.partition("/")[2] in (*_FIRST, *_LATE) else file


def longest_first(items: list[pytest.Item]) -> None:
    """So that no worker has much left when the others are done."""
    slow = Counter(_file(item) for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (_rank(_file(item), slow[_file(item)]), -slow[_file(item)]))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _rank(file: str, slow: int) -> int:
    folder = unit_of(file).partition("/")[2]
    if folder in _FIRST:
        return _FIRST.index(folder) - len(_FIRST)
    if folder in _LATE:
        return 2
    if slow:
        return 0
    return 1 if file.startswith("tests/integration/") else 3
