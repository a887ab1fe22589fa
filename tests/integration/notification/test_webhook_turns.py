"""Whose turn it is: slow endpoints, be they many and of several businesses, wait for themselves alone.

A real database and receiver, and the code that the process runs, under clocks that the tests set (hooks.py).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from uuid import UUID

import pytest

from integration.notification.hooks import Hooks, Made
from notification.webhooks.workers import WebhookSender
from servicekit.health import Heartbeat
from support.databases import ServiceDatabase
from support.events import until
from support.receiver import Receiver

Businesses = list[Hooks]


@pytest.fixture
async def businesses(
    service_database: Callable[[str], ServiceDatabase], receiver: Receiver
) -> AsyncIterator[Businesses]:
    """Four, on one database and under one clock."""
    database = service_database("notification")
    made = [Hooks(database, receiver) for _ in range(4)]
    async with AsyncExitStack() as stack:
        for hooks in made:
            hooks.clock.now = made[0].clock.now
            await hooks.open()
            stack.push_async_callback(hooks.db.close)
        yield made


async def waiting(hooks: Hooks, made: Made, count: int) -> None:
    """Has so many wait for an endpoint, a second older each than what is told later."""
    for _ in range(count):
        await hooks.test(made)
    hooks.clock.pass_by(timedelta(seconds=1))


async def claim(hooks: Hooks, limit: int = 100, *, kept: int = 0) -> Counter[UUID]:
    """Takes what any sender would take then; answers how many of each endpoint."""
    hooks.clock.pass_by(timedelta(seconds=1))
    return Counter(item.endpoint_id for item in await hooks.deliveries.claim(limit, kept=kept))


async def test_many_slow_endpoints_of_several_businesses_hold_up_nobody_else(businesses: Businesses) -> None:
    """24 of three businesses, with more waiting than there is room for; none of them answers."""
    healthy, *others = businesses
    fast = await healthy.endpoint()
    slow = [(hooks, await hooks.endpoint("message.failed")) for hooks in others for _ in range(8)]
    for hooks, made in slow:
        await waiting(hooks, made, 4)
    sender, stop = WebhookSender(healthy.another_sender(timeout=50)), asyncio.Event()
    healthy.clock.pass_by(timedelta(minutes=1))

    def under_way() -> int:
        return sum(len(healthy.receiver.webhooks(made.path)) for _, made in slow)

    with ExitStack() as held:
        for _, made in slow:
            held.enter_context(healthy.receiver.held(made.path))
        running = asyncio.create_task(sender.run(stop, Heartbeat(sender.name, limit=60)))
        await _until(lambda: under_way() >= 48, "the slow ones have what they may have")
        await healthy.test(fast)
        await _until(lambda: healthy.receiver.webhooks(fast.path), "the healthy one has its webhook")
        assert under_way() == 48
    stop.set()
    await running


async def _until(check: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(until, check, what)


async def test_who_has_something_under_way_comes_behind_who_has_nothing(businesses: Businesses) -> None:
    """However long its queue: it was first again whenever one of its requests ended."""
    busy, late = businesses[0], businesses[1]
    slow, fast = await busy.endpoint(), await late.endpoint()
    await waiting(busy, slow, 5)
    assert await claim(busy, 2) == {slow.endpoint_id: 2}
    late.clock.pass_by(timedelta(seconds=1))
    await waiting(late, fast, 2)
    busy.clock.now = late.clock.now
    assert await claim(busy, 1) == {fast.endpoint_id: 1}
    assert await claim(busy, 1) == {fast.endpoint_id: 1}  # its second, before the third of the other
    assert await claim(busy) == {slow.endpoint_id: 1}


async def test_of_two_firsts_that_of_the_business_with_less_under_way_goes_first(
    businesses: Businesses,
) -> None:
    many, one = businesses[0], businesses[1]
    slow = [await many.endpoint() for _ in range(3)]
    for made in slow:
        await waiting(many, made, 2)
    assert (await claim(many, 2)).total() == 2
    one.clock.now = many.clock.now
    fast = await one.endpoint()
    await waiting(one, fast, 1)
    many.clock.now = one.clock.now
    assert await claim(many, 1) == {fast.endpoint_id: 1}


async def test_a_business_has_its_share_and_each_of_its_endpoints_a_first(businesses: Businesses) -> None:
    hooks = businesses[0]
    made = [await hooks.endpoint() for _ in range(10)]
    for endpoint in made[:9]:
        await waiting(hooks, endpoint, 3)
    taken = await claim(hooks)
    assert taken.total() == 16
    assert set(taken) == {endpoint.endpoint_id for endpoint in made[:9]}
    await waiting(hooks, made[9], 3)
    assert await claim(hooks) == {made[9].endpoint_id: 1}
    assert not await claim(hooks)


async def test_what_is_kept_goes_to_endpoints_with_nothing_under_way(businesses: Businesses) -> None:
    hooks = businesses[0]
    busy = await hooks.endpoint()
    await waiting(hooks, busy, 3)
    assert await claim(hooks, 16, kept=16) == {busy.endpoint_id: 1}
    assert not await claim(hooks, 16, kept=16)
    idle = await hooks.endpoint()
    await waiting(hooks, idle, 3)
    assert await claim(hooks, 17, kept=16) == {idle.endpoint_id: 1}
    assert await claim(hooks, 17, kept=16) == {busy.endpoint_id: 1}  # nobody has a first to send
