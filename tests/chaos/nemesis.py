"""Breaks a world, one thing after the other, in an order that the seed decides; each thing is written down."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import psycopg

from chaos.smtp import Strike
from chaos.world import World
from support.broker import Broker

JUMP = 5.0
"""Clocks are wrong by so many seconds at most."""
_MOST_MAILS = 4
"""So many, one after the other, are struck at one of their points."""
_POINTS = {
    "booking-a": (
        "booking.taken",
        "booking.committed",
        "booking.waitlist.held",
        "booking.waitlist.offered",
        "relay.produced",
        "consumer.effect",
        "consumer.committed",
    ),
    "booking-b": ("booking.taken", "booking.committed"),
    "booking-relay": ("relay.produced",),
    "business": ("relay.produced",),
    "scheduler": (
        "scheduler.taken",
        "scheduler.fired",
        "consumer.effect",
        "consumer.committed",
        "relay.produced",
    ),
    "notification": ("notification.sending", "notification.sent", "consumer.effect", "consumer.committed"),
}
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename LIKE %s"


def target_of(proxy: str) -> str:
    """Whom a fault of a proxy is about: what cuts one service off from the database, that service alone."""
    whose, _, server = proxy.partition(">")
    return whose if server == "postgres" else server


class Nemesis:
    """`run` goes through everything that it knows, and then again, until it is told that it is enough."""

    def __init__(self, world: World, broker: Broker, seed: str, *, pause: float) -> None:
        self._world, self._broker = world, broker
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated
        self._pause = pause
        self._busy = ThreadPoolExecutor(4)
        self._under_way: dict[str, Future[None]] = {}
        self.rounds = 0

    def run(self, enough: Callable[[], bool], ended: threading.Event) -> None:
        """At least one round."""
        while not ended.is_set() and (self.rounds == 0 or not enough()):
            for what, target, act in self._chance.sample(steps := self._steps(), len(steps)):
                if ended.is_set():
                    break
                self._world.history.fault(what, target)
                act()
                time.sleep(self._pause * self._chance.uniform(0.5, 1.5))
            self.rounds += 1
        for future in self._under_way.values():
            future.result(120)

    def close(self) -> None:
        """Only when nothing is needed any more: what a thread has started ends with that thread."""
        self._busy.shutdown()

    def _steps(self) -> list[tuple[str, str, Callable[[], None]]]:
        """(what, to whom, how)."""
        world = self._world
        steps: list[tuple[str, str, Callable[[], None]]] = [
            ("killed, to die at " + point, name, self._kill(name, point))
            for name, points in _POINTS.items()
            for point in points
        ]
        for name, proxy in world.proxies.items():
            target = target_of(name)
            steps.append((f"connections cut: {name}", target, proxy.cut))
            steps.append((f"delayed: {name}", target, self._for(1.0, partial(proxy.delay, 0.02), proxy.heal)))
        steps.append(("cut again and again: notification>smtp", "smtp", self._alone("smtp", self._flicker)))
        for strike in Strike:
            mails, share = self._chance.randint(1, _MOST_MAILS), self._chance.random()
            arm = partial(world.mails.arm, strike, mails=mails, share=share)
            steps.append((f"next mails: {strike}", "gate", arm))
        silent = world.proxies["booking>postgres"]
        steps.append(
            (
                "silent: booking>postgres",
                target_of("booking>postgres"),
                self._for(1.5, silent.silence, silent.heal),
            )
        )
        for name, clock in world.clocks.items():
            steps.append((f"clock of {name}", name, partial(clock.set, self._chance.uniform(-JUMP, JUMP))))
        steps += [
            ("one backend killed", "postgres", self._kill_backend),
            ("crashed and started", "postgres", self._alone("postgres", self._crash)),
            ("killed and started", "kafka", self._alone("kafka", self._kafka)),
            ("silent", "kafka", self._alone("kafka", self._silent)),
        ]
        return steps

    def _kill(self, name: str, point: str) -> Callable[[], None]:
        part = self._world.parts[name]

        def act() -> None:
            part.arm(point)
            part.kill()

        return act

    def _for(self, seconds: float, begin: Callable[[], None], end: Callable[[], None]) -> Callable[[], None]:
        def act() -> None:
            begin()
            threading.Timer(seconds, end).start()

        return act

    def _alone(self, name: str, act: Callable[[], None]) -> Callable[[], None]:
        """In another thread, but not twice at once to the same server."""

        def begin() -> None:
            before = self._under_way.get(name)
            if before is not None:
                before.result(120)
            self._under_way[name] = self._busy.submit(act)

        return begin

    def _kill_backend(self) -> None:
        """PostgreSQL ends all others then, and recovers."""
        try:
            with psycopg.connect(self._world.databases.server.url(), connect_timeout=2) as conn:
                pids = [row[0] for row in conn.execute(_BACKENDS, ("%_app",)).fetchall()]
        except psycopg.OperationalError:
            return  # it is down already
        if pids:
            os.kill(self._chance.choice(pids), signal.SIGKILL)

    def _crash(self) -> None:
        """As if its machine had been switched off: no checkpoint, recovery at the start."""
        server = self._world.databases.server
        process = server.running()
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        time.sleep(0.3)
        before = server.port
        server.start()
        assert server.port == before, "its port was taken: the proxies would not find it"

    def _kafka(self) -> None:
        self._broker.kill()
        time.sleep(0.3)
        self._broker.start()

    def _flicker(self) -> None:
        """Slow, so that some mails are cut off behind their content and before the answer to it."""
        mails = self._world.proxies["notification>smtp"]
        mails.delay(0.02)
        for _ in range(15):
            time.sleep(0.1)
            mails.cut()
        mails.heal()

    def _silent(self) -> None:
        with self._broker.silent():
            time.sleep(1.5)
