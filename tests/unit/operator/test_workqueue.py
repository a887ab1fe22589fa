"""In which order objects have their passes: what somebody waits for goes before what a plan or a resync wakes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import uvloop

from tenant_operator.objects import Objects
from tenant_operator.workqueue import Key, WorkQueue

RIVERSIDE = Key("Tenant", "riverside")
OTHERS = [Key("Tenant", f"shop-{number}") for number in range(100)]


async def passes(
    ask: Callable[[WorkQueue], None], urgent: Callable[[Key], bool], concurrency: int = 1
) -> list[Key]:
    """The passes in their order, until nothing is left."""
    done: list[Key] = []

    async def over(key: Key) -> None:
        await asyncio.sleep(0)
        done.append(key)

    queue = WorkQueue(over, concurrency=concurrency, urgent=urgent)
    ask(queue)
    worker = asyncio.create_task(queue.run())
    before = -1
    while before != len(done):
        before = len(done)
        for _ in range(20):
            await asyncio.sleep(0)
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    return done


def _add(*keys: Key) -> Callable[[WorkQueue], None]:
    def ask(queue: WorkQueue) -> None:
        for key in keys:
            queue.add(key)

    return ask


async def test_the_urgent_one_goes_first_and_the_others_in_their_order() -> None:
    assert await passes(_add(*OTHERS, RIVERSIDE), lambda key: key == RIVERSIDE) == [RIVERSIDE, *OTHERS]


async def test_one_that_waits_and_becomes_urgent_goes_first_and_once() -> None:
    urgent: set[Key] = set()

    def ask(queue: WorkQueue) -> None:
        _add(*OTHERS, RIVERSIDE)(queue)
        urgent.add(RIVERSIDE)
        queue.add(RIVERSIDE)
        queue.add(RIVERSIDE)

    assert await passes(ask, urgent.__contains__) == [RIVERSIDE, *OTHERS]


async def test_each_has_one_pass_however_often_it_is_asked_for() -> None:
    assert await passes(_add(RIVERSIDE, *OTHERS, RIVERSIDE), lambda _: False) == [RIVERSIDE, *OTHERS]


def test_of_several_times_the_earliest_counts_however_near() -> None:
    """On the loop that the operator runs on, which makes no timer of less than a millisecond."""
    done: list[Key] = []

    async def asking() -> None:
        passed = asyncio.Event()

        async def over(key: Key) -> None:
            done.append(key)
            passed.set()

        queue = WorkQueue(over, concurrency=1)
        for seconds in (60.0, 0.0, 0.0, 0.0001, 60.0):
            queue.add_after(RIVERSIDE, seconds)
        worker = asyncio.create_task(queue.run())
        await asyncio.wait_for(passed.wait(), 10)
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker

    uvloop.run(asking())
    assert done == [RIVERSIDE]


async def test_a_pass_that_hangs_is_noticed_by_its_age() -> None:
    """The controller beats no more when it is too old, and the liveness probe fails."""
    now, ended = [100.0], asyncio.Event()

    async def hang(_key: Key) -> None:
        await ended.wait()

    queue = WorkQueue(hang, concurrency=2, clock=lambda: now[0])
    worker = asyncio.create_task(queue.run())
    assert queue.longest() == 0
    queue.add(RIVERSIDE)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    now[0] += 170
    queue.add(OTHERS[0])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    now[0] += 20
    assert queue.longest() == 190
    ended.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert queue.longest() == 0
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker


def test_an_object_is_asked_for_from_a_change_of_its_spec_until_it_is_settled() -> None:
    objects = Objects()
    objects.put(RIVERSIDE, _body(1, version=1))
    assert objects.asked(RIVERSIDE)
    objects.settled(RIVERSIDE)
    objects.put(RIVERSIDE, _body(1, version=2))  # its status, say
    assert not objects.asked(RIVERSIDE)
    objects.put(RIVERSIDE, _body(2, version=3))
    assert objects.asked(RIVERSIDE)
    objects.settled(RIVERSIDE)
    objects.put(RIVERSIDE, _body(2, version=4, deletionTimestamp="2026-11-27T10:00:00Z"))
    assert objects.asked(RIVERSIDE)
    objects.drop(RIVERSIDE)
    assert not objects.asked(RIVERSIDE)


def _body(generation: int, *, version: int, **metadata: object) -> dict[str, object]:
    return {
        "metadata": {"uid": "1", "generation": generation, "resourceVersion": str(version), **metadata},
        "spec": {},
    }
