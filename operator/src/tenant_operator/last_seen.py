"""What a listing of everything found, corrected by what the operator itself did since.

A listing takes a while, and may see a thing before or after a change that goes on beside it. Where the two overlap,
the change is believed: else a topic that is being deleted would be taken for there, and the next business of that
name would get none. Used by `streams` and `actions`.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LastSeen(Generic[Value]):
    """By key, what is there. One listing at a time; changes of any keys beside it."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        self._under_way: Counter[str] = Counter()
        # Those with a change that overlaps the listing which is going on.
        self._overlapping: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Value | None:
        return self._values.get(key)

    async def refresh(self, find: Callable[[], Awaitable[dict[str, Value]]]) -> None:
        """Replaces everything by what `find` answers, but for keys that were changed meanwhile."""
        self._overlapping = set(self._under_way)
        found = await find()
        kept = {key: self._values[key] for key in self._overlapping if key in self._values}
        others = {key: value for key, value in found.items() if key not in self._overlapping}
        self._values = others | kept

    @contextmanager
    def changing(self, key: str) -> Iterator[None]:
        """Around a change of what there is, and the `put` or `drop` that tells of it."""
        self._overlapping.add(key)
        self._under_way[key] += 1
        try:
            yield
        finally:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]

    def put(self, key: str, value: Value) -> None:
        self._values[key] = value

    def drop(self, key: str) -> None:
        self._values.pop(key, None)
