"""What the operator believes where a look at everything and a change overlap."""

import asyncio

import pytest

from tenant_operator.last_seen import LastSeen


class World:
    """Answers a look with what was there when it began, once it is let go."""

    def __init__(self, **there: int) -> None:
        self.there = there
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def find(self) -> dict[str, int]:
        seen = dict(self.there)
        self.begun.set()
        await self.go.wait()
        return seen


def _all(known: LastSeen[int]) -> dict[str, int]:
    return {key: value for key in ("a", "b", "c") if (value := known.get(key)) is not None}


async def _look_begun(known: LastSeen[int], world: World) -> asyncio.Task[None]:
    looking = asyncio.create_task(known.look(world.find))
    await world.begun.wait()
    return looking


async def test_a_look_replaces_everything() -> None:
    known = LastSeen[int]()
    known.put("a", 1)
    world = World(b=2, c=3)
    world.go.set()
    await known.look(world.find)
    assert _all(known) == {"b": 2, "c": 3}
    assert "a" not in known
    assert "b" in known


async def test_a_drop_that_began_before_the_look_and_ends_during_it_stands() -> None:
    known, world = LastSeen[int](), World(a=1, b=2)
    with known.changing("a"):
        looking = await _look_begun(known, world)
        known.drop("a")
    world.go.set()
    await looking
    assert _all(known) == {"b": 2}


async def test_a_drop_that_outlasts_the_look_stands() -> None:
    known, world = LastSeen[int](), World(a=1, b=2)
    known.put("a", 1)
    with known.changing("a"):
        looking = await _look_begun(known, world)
        world.go.set()
        await looking
        assert _all(known) == {"a": 1, "b": 2}
        known.drop("a")
    assert _all(known) == {"b": 2}


async def test_what_is_put_during_a_look_stands() -> None:
    known, world = LastSeen[int](), World(b=2)
    looking = await _look_begun(known, world)
    with known.changing("a"):
        known.put("a", 1)
    world.go.set()
    await looking
    assert _all(known) == {"a": 1, "b": 2}


async def test_the_next_look_is_believed_again() -> None:
    known, world = LastSeen[int](), World(a=1)
    with pytest.raises(ConnectionError), known.changing("a"):
        raise ConnectionError
    world.go.set()
    await known.look(world.find)
    assert _all(known) == {"a": 1}


async def test_two_changes_of_one_key_are_both_waited_for() -> None:
    known, world = LastSeen[int](), World(a=1)
    with known.changing("a"):
        with known.changing("a"):
            pass
        looking = await _look_begun(known, world)
        known.drop("a")
    world.go.set()
    await looking
    assert _all(known) == {}
