"""What the operator believes where a listing of everything and a change overlap."""

import asyncio

import pytest

from tenant_operator.last_seen import LastSeen


class World:
    """Answers a listing with what was there when it began, once it is let go."""

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


async def _listing_begun(known: LastSeen[int], world: World) -> asyncio.Task[None]:
    listing = asyncio.create_task(known.refresh(world.find))
    await world.begun.wait()
    return listing


async def test_a_listing_replaces_everything() -> None:
    known = LastSeen[int]()
    known.put("a", 1)
    world = World(b=2, c=3)
    world.go.set()
    await known.refresh(world.find)
    assert _all(known) == {"b": 2, "c": 3}
    assert "a" not in known
    assert "b" in known


async def test_a_drop_that_began_before_the_listing_and_ends_during_it_stands() -> None:
    known, world = LastSeen[int](), World(a=1, b=2)
    with known.changing("a"):
        listing = await _listing_begun(known, world)
        known.drop("a")
    world.go.set()
    await listing
    assert _all(known) == {"b": 2}


async def test_a_drop_that_outlasts_the_listing_stands() -> None:
    known, world = LastSeen[int](), World(a=1, b=2)
    known.put("a", 1)
    with known.changing("a"):
        listing = await _listing_begun(known, world)
        world.go.set()
        await listing
        assert _all(known) == {"a": 1, "b": 2}
        known.drop("a")
    assert _all(known) == {"b": 2}


async def test_what_is_put_during_a_listing_stands() -> None:
    known, world = LastSeen[int](), World(b=2)
    listing = await _listing_begun(known, world)
    with known.changing("a"):
        known.put("a", 1)
    world.go.set()
    await listing
    assert _all(known) == {"a": 1, "b": 2}


async def test_the_next_look_is_believed_again() -> None:
    known, world = LastSeen[int](), World(a=1)
    with pytest.raises(ConnectionError), known.changing("a"):
        raise ConnectionError
    world.go.set()
    await known.refresh(world.find)
    assert _all(known) == {"a": 1}


async def test_two_changes_of_one_key_are_both_waited_for() -> None:
    known, world = LastSeen[int](), World(a=1)
    with known.changing("a"):
        with known.changing("a"):
            pass
        listing = await _listing_begun(known, world)
        known.drop("a")
    world.go.set()
    await listing
    assert _all(known) == {}
