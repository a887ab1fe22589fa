"""Whose the Lease is, attempt by attempt, on a real API server and by a clock of the test's own.

What an operator does with it as a process is test_lease's.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from servicekit.health import Heartbeat
from servicekit.ids import new_id
from support.api_server import ApiServer
from tenant_operator.cluster import Cluster
from tenant_operator.domain import Body
from tenant_operator.errors import ClusterFailedError
from tenant_operator.leader import LEASE, Leader, LeaseLostError

_SECONDS = 15


class Clock:
    """The monotonic clock of all who want the Lease."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched(Cluster):
    """Awaits `once_read` when a Lease has been read, and before what is made of it."""

    once_read: Callable[[], Awaitable[object]] | None = None

    async def read_lease(self, name: str) -> Body | None:
        found = await super().read_lease(name)
        if self.once_read is not None:
            await self.once_read()
        return found


@pytest.fixture
async def cluster(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Watched]:
    """In a namespace of its own: in the operator's the Lease may be that of another test's process."""
    namespace = f"lease-{new_id().hex[-8:]}"
    made = api_server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    assert made.status_code == 201
    monkeypatch.setenv("KUBECONFIG", str(api_server.admin_kubeconfig(tmp_path)))
    watched = Watched(namespace, namespace)
    await watched.open()
    yield watched
    await watched.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def operator(cluster: Cluster, clock: Clock, seconds: int = _SECONDS) -> Leader:
    return Leader(cluster, seconds, monotonic=clock)


async def gets(leader: Leader) -> bool:
    """One attempt, of which a failure at the API server makes none, as in the loop."""
    try:
        return await leader._take()
    except ClusterFailedError:
        return False


async def holder(cluster: Cluster) -> str:
    lease = await cluster.read_lease(LEASE)
    assert lease is not None
    return str(lease["spec"].get("holderIdentity") or "")


async def test_who_renews_keeps_it_and_who_does_not_loses_it_when_it_has_run_out(
    cluster: Watched, clock: Clock
) -> None:
    first, second = operator(cluster, clock), operator(cluster, clock)
    assert await gets(first)
    for _ in range(3):
        assert not await gets(second)
        clock.now += _SECONDS - 1
        assert await gets(first)
    assert not await gets(second)
    clock.now += _SECONDS
    assert not await gets(second), "it lasts until then"
    clock.now += 0.1
    assert await gets(second)
    assert not await gets(first)


async def test_who_led_and_finds_it_with_another_ends(cluster: Watched, clock: Clock) -> None:
    """However long the other has not renewed it: who has been away may not go on as if nothing had been."""
    first, second = operator(cluster, clock), operator(cluster, clock)
    assert await gets(first)
    first.held.set()
    assert not await gets(second)
    clock.now += _SECONDS + 1
    assert await gets(second)
    for _ in range(2):
        with pytest.raises(LeaseLostError, match=await holder(cluster)):
            await first._take()
        clock.now += _SECONDS + 1


async def test_it_lasts_as_long_as_its_holder_has_said(cluster: Watched, clock: Clock) -> None:
    first, second = operator(cluster, clock, 60), operator(cluster, clock, _SECONDS)
    assert await gets(first)
    assert not await gets(second)
    clock.now += 60
    assert not await gets(second)
    clock.now += 0.1
    assert await gets(second)


@pytest.mark.parametrize("there", [False, True], ids=["none was there", "it had run out"])
async def test_of_two_who_find_it_free_at_once_one_gets_it(
    cluster: Watched, clock: Clock, there: bool
) -> None:
    both = [operator(cluster, clock), operator(cluster, clock)]
    if there:
        assert await gets(operator(cluster, clock))
        for each in both:
            assert not await gets(each)
        clock.now += _SECONDS + 1
    cluster.once_read = asyncio.Barrier(2).wait
    async with asyncio.timeout(30):
        assert sorted(await asyncio.gather(*(gets(each) for each in both))) == [False, True]


async def test_given_back_it_is_the_next_ones_at_once_and_nobody_gives_back_anothers(
    cluster: Watched, clock: Clock
) -> None:
    first, second = operator(cluster, clock), operator(cluster, clock)
    assert await gets(first)
    assert not await gets(second)
    await first._give_back()
    assert await gets(second)
    mine = await holder(cluster)
    await first._give_back()
    assert await holder(cluster) == mine


async def test_it_is_given_back_after_what_must_not_go_on_without_it(cluster: Watched) -> None:
    leader, stop = Leader(cluster, _SECONDS), asyncio.Event()
    # The loop closes the way to the API server that it has opened.
    looking = Cluster(cluster._namespace, cluster._namespace)
    await looking.open()
    async with asyncio.timeout(30):
        running = asyncio.create_task(leader.run(stop, Heartbeat(leader.name, limit=60)))
        await leader.held.wait()
        with leader.working():
            stop.set()
            for _ in range(5):
                assert await holder(looking)
        await running
    assert not await holder(looking)
    await looking.close()


@pytest.mark.slow
async def test_a_renewal_that_hangs_leaves_time_for_another(cluster: Watched) -> None:
    """Takes most of a Lease: by the loop's own clock, as its timeouts are."""
    leader = Leader(cluster, 8)
    stop, again, reads = asyncio.Event(), asyncio.Event(), 0

    async def hang_once() -> None:
        nonlocal reads
        reads += 1
        if reads == 2:
            await asyncio.Event().wait()
        if reads == 4:
            again.set()

    cluster.once_read = hang_once
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(leader._hold(stop, Heartbeat("lease", limit=60)))
        await again.wait()
        stop.set()
