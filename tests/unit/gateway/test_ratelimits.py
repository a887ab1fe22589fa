"""Sliding windows on a clock of the test's own."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ratelimits import RateLimiter, Verdict

START = 1_000_020.0  # the beginning of a window: a multiple of 60


class Hand:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> float:
        return self.at


async def _hits(limiter: RateLimiter, count: int, limit: int, who: str = "ada") -> list[Verdict]:
    return [await limiter.hit("business", who, limit) for _ in range(count)]


async def test_as_many_as_the_limit_then_no_more() -> None:
    limiter = RateLimiter(now=Hand())
    verdicts = await _hits(limiter, 7, 5)
    assert [verdict.allowed for verdict in verdicts] == [True] * 5 + [False] * 2
    assert [verdict.used for verdict in verdicts] == [1, 2, 3, 4, 5, 5, 5]


async def test_headers_have_the_drafts_form() -> None:
    clock = Hand()
    limiter = RateLimiter(now=clock)
    clock.at = START + 12.5
    first, second = await _hits(limiter, 2, 1)
    assert first.headers() == {
        "RateLimit-Policy": '"business";q=1;w=60',
        "RateLimit": '"business";r=0;t=48',
    }
    assert int(second.headers()["Retry-After"]) > 0


async def test_whoever_waits_as_long_as_told_may_go_on() -> None:
    clock = Hand()
    limiter = RateLimiter(now=clock)
    clock.at = START + 45
    refused = (await _hits(limiter, 11, 10))[-1]
    assert not refused.allowed
    clock.at += refused.retry_after
    assert (await _hits(limiter, 1, 10))[0].allowed


async def test_no_double_burst_at_the_edge_of_a_window() -> None:
    clock = Hand()
    limiter = RateLimiter(now=clock)
    clock.at = START + 59
    await _hits(limiter, 10, 10)
    clock.at = START + 61
    assert [verdict.allowed for verdict in await _hits(limiter, 3, 10)] == [True, False, False]


async def test_a_limit_of_nothing_lets_nothing_in() -> None:
    verdict = (await _hits(RateLimiter(now=Hand()), 1, 0))[0]
    assert not verdict.allowed
    assert verdict.retry_after == 60


async def test_each_counts_for_themselves() -> None:
    limiter = RateLimiter(now=Hand())
    await _hits(limiter, 5, 5, "ada")
    assert (await limiter.hit("business", "bea", 5)).allowed
    assert (await limiter.hit("public", "ada", 5)).allowed
    assert not (await limiter.hit("business", "ada", 5)).allowed


async def test_old_windows_are_swept() -> None:
    clock = Hand()
    limiter = RateLimiter(now=clock)
    for number in range(1000):
        await limiter.hit("address", str(number), 5)
    clock.at += 200
    await limiter.hit("address", "one more", 5)
    assert len(limiter._storage) == 1


@settings(max_examples=60, deadline=None)
@given(limit=st.integers(1, 20), steps=st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=120))
async def test_waiting_as_told_is_always_enough(limit: int, steps: list[float]) -> None:
    clock = Hand()
    limiter = RateLimiter(now=clock)
    for step in steps:
        clock.at += step
        verdict = await limiter.hit("p", "w", limit)
        assert 0 <= verdict.used <= limit
        if not verdict.allowed:
            assert 1 <= verdict.retry_after <= 120
            clock.at += verdict.retry_after
            assert (await limiter.hit("p", "w", limit)).allowed
