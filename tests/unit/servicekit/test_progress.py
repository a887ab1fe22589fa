"""How far a consumer has read, as a time: never later than what has taken effect."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from servicekit.kafka import Place
from servicekit.progress import Progress

_FIRST, _SECOND = ("topic", 0), ("topic", 1)
_AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def at(second: int) -> datetime:
    return _AT + timedelta(seconds=second)


class Told:
    """What was told last."""

    def __init__(self) -> None:
        self.progress = Progress(self._keep)
        self.times: dict[Place, datetime | None] = {}

    async def _keep(self, times: Mapping[Place, datetime | None]) -> None:
        self.times = dict(times)

    async def look(self, second: int, *, end: int, done: int) -> datetime | None:
        """Of one partition."""
        await self.progress.look(at(second), {_FIRST: end}, {_FIRST: done})
        return self.times[_FIRST]


async def test_where_nothing_is_left_it_is_the_time_of_the_look() -> None:
    told = Told()
    assert [await told.look(second, end=end, done=end) for second, end in ((0, 0), (1, 7))] == [at(0), at(1)]


async def test_a_backlog_moves_nothing_until_it_has_taken_effect() -> None:
    told = Told()
    looks = [(0, 90), (1, 95), (2, 99), (3, 100), (4, 105), (5, 110)]
    times = [await told.look(second, end=100 + 10 * second, done=done) for second, done in looks]
    assert times == [None, None, None, at(0), at(0), at(0)]


async def test_a_stream_that_never_pauses_is_followed_from_look_to_look() -> None:
    told = Told()
    times = [await told.look(second, end=10 * second + 10, done=10 * second + 5) for second in range(5)]
    assert times == [None, at(0), at(1), at(2), at(3)]


async def test_a_partition_that_came_back_from_another_member_is_told_anew() -> None:
    """What it was known to have reached may be long ago by then."""
    told = Told()
    await told.progress.look(at(0), {_FIRST: 3, _SECOND: 3}, {_FIRST: 3, _SECOND: 2})
    assert told.times == {_FIRST: at(0), _SECOND: None}
    await told.progress.look(at(1), {_SECOND: 3}, {_SECOND: 3})
    assert told.times == {_SECOND: at(1)}
    await told.progress.look(at(2), {_FIRST: 9, _SECOND: 3}, {_FIRST: 3, _SECOND: 3})
    assert told.times == {_FIRST: None, _SECOND: at(2)}


async def test_the_time_goes_back_with_the_clock() -> None:
    told = Told()
    assert [await told.look(second, end=1, done=1) for second in (60, 0)] == [at(60), at(0)]


async def test_what_could_not_be_told_is_told_by_the_next_look() -> None:
    told = Told()

    async def fail(_times: Mapping[Place, datetime | None]) -> None:
        raise OSError("away")

    progress = Progress(fail)
    with pytest.raises(OSError, match="away"):
        await progress.look(at(0), {_FIRST: 2}, {_FIRST: 2})
    progress._tell = told._keep
    await progress.look(at(1), {_FIRST: 3}, {_FIRST: 2})
    assert told.times == {_FIRST: at(0)}
