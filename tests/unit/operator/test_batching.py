"""Requests that are gathered while one is under way."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from tenant_operator.batching import Batches


class Server:
    """Doubles numbers; holds each batch back until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Event()
        self.go = threading.Semaphore(0)

    def work(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(numbers))
        self.begun.set()
        assert self.go.acquire(timeout=30)
        if 13 in numbers:
            raise RuntimeError("all of it failed")
        return [ValueError(f"{number} is odd") if number % 2 else number * 2 for number in numbers]


async def test_what_comes_meanwhile_goes_into_the_next_batch() -> None:
    server = Server()
    batches = Batches[int, int](server.work, most=3)
    first = asyncio.create_task(batches.do(2))
    await asyncio.to_thread(server.begun.wait, 30)
    others = [asyncio.create_task(batches.do(number)) for number in (4, 6, 8, 10)]
    await asyncio.sleep(0)
    server.go.release(3)
    assert await asyncio.gather(first, *others) == [4, 8, 12, 16, 20]
    assert server.batches == [[2], [4, 6, 8], [10]]


async def test_each_item_has_its_own_outcome() -> None:
    server = Server()
    server.go.release(2)
    batches = Batches[int, int](server.work, most=10)
    outcomes = await asyncio.gather(*(batches.do(number) for number in (2, 3, 4)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["4", "3 is odd", "8"]


async def test_a_batch_that_fails_fails_for_each_and_the_next_goes_on() -> None:
    server = Server()
    server.go.release(2)
    batches = Batches[int, int](server.work, most=2)
    outcomes = await asyncio.gather(*(batches.do(number) for number in (13, 2, 4)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["all of it failed", "all of it failed", "8"]


async def test_one_who_no_longer_waits_holds_nobody_up() -> None:
    server = Server()
    batches = Batches[int, int](server.work, most=2)
    first, second = (asyncio.create_task(batches.do(number)) for number in (2, 4))
    await asyncio.to_thread(server.begun.wait, 30)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    server.go.release()
    assert await second == 8


async def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    """Whoever was told to end may have lost the right to it since."""
    server = Server()
    batches = Batches[int, int](server.work, most=1)
    first, second, third = (asyncio.create_task(batches.do(number)) for number in (2, 4, 6))
    await asyncio.to_thread(server.begun.wait, 30)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    server.go.release(3)
    assert (await first, await third) == (4, 12)
    assert server.batches == [[2], [6]]
