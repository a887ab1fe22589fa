"""Everything is killed, cut, delayed and put out of step while clients book; the checker finds nothing wrong.

`make test-chaos OPERATIONS=100000 SEED=7` is the long run; `make test` has a short one. The history and the verdict
are kept in build/chaos/<seed>.
"""

import asyncio
import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chaos import owners
from chaos.asking import Town
from chaos.checker import judge
from chaos.clients import AFTERWARDS, CHANGING, EVERYTHING, busy, cleared, starts_from, with_policies
from chaos.final import quiet, whole_state, write
from chaos.history import History
from chaos.nemesis import JUMP, Nemesis
from chaos.recurring import SERIES
from chaos.rules_catalog import EXCUSED, SURELY
from chaos.smtp import Strike
from chaos.town import first_start, shop
from chaos.waiting import WAITLIST
from chaos.watch import Watch
from chaos.world import World, opened, whole_world
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.events import Topics, until
from support.mail import Mailpit

OPERATIONS = int(os.environ.get("OPERATIONS", "500"))
_GRANTED = 100
"""A short run on a slow machine may meet nothing but servers that are just starting: it goes on until this many."""
_CALM = max(150, OPERATIONS // 20)
"""So much is done when nothing breaks any more: in a short run booking hears of few changes before."""
_AFTERWARDS = max(100, OPERATIONS // 20)
_POLICIES = 60
"""So often a policy is changed, however long the run: each time for all appointments that stand by then."""
_STARTS = max(16, OPERATIONS // 150)
"""In a long run the first days would be full, and then nothing could be booked."""
_BEFORE_ANY, _AFTER_SOME = timedelta(minutes=10), timedelta(hours=2)
"""Where the clocks are put, beside the first appointment's start; a long run takes a good part of the way there."""


@pytest.mark.slow
def test_what_was_acknowledged_stands_whatever_is_killed(
    own_databases: Databases,
    broker: Broker,
    mailpit: Mailpit,
    minter: TokenMinter,
    jwks_url: str,
    seed: str,
    kept: Path,
) -> None:
    """Takes one to two minutes: a round of all faults, restarts of Kafka and PostgreSQL among them."""
    folder = kept / "run"
    with (
        History(folder) as history,
        closing(World(own_databases, history, folder, minter, jwks_url)) as world,
        whole_world(world, mailpit, broker) as (urls, business),
        closing(Watch(world)) as watch,
        closing(Nemesis(world, broker, seed, pause=0.2 if OPERATIONS < 2000 else 2.0)) as nemesis,
    ):
        first = first_start()
        topics = Topics(broker.super_user() | {"log_level": "0"})
        shops = [
            opened(world, topics, item, "booking", "notification")
            for item in (shop(first), shop(first), shop(first, reminders=False))
        ]
        history.setup(seed=seed, clock_slack=2 * JUMP, tenants=[item.setup() for item in shops])
        town = Town(shops, starts_from(first, _STARTS), urls, business)
        ended = threading.Event()

        def enough() -> bool:
            return history.operations >= OPERATIONS and history.granted > _GRANTED

        def over() -> bool:
            return breaking.done() or (enough() and nemesis.rounds > 0)

        with ThreadPoolExecutor(1) as thread:
            breaking = thread.submit(nemesis.run, enough, ended)
            try:
                everything = EVERYTHING | SERIES | WAITLIST | owners.CHANGES
                weights = with_policies(everything, OPERATIONS, _POLICIES)
                asyncio.run(busy(town, history, minter, seed, over, weights=weights))
            finally:
                ended.set()
            breaking.result()
        history.mark("ends", operations=history.operations)
        world.set_clocks(0)
        world.heal()
        weights = with_policies(CHANGING | SERIES | WAITLIST, _CALM, _POLICIES // 6)
        more(town, history, minter, f"{seed}/calm", _CALM, weights)
        asyncio.run(cleared(town, history, minter))
        quiet(world, broker.super_user())
        history.mark("healed", clock=world.clocks["booking"].now())
        world.set_clocks(_ahead(first - _BEFORE_ANY))  # most reminders come due at once
        quiet(world, broker.super_user())
        world.set_clocks(_ahead(first + _AFTER_SOME))  # and then the first appointments have begun
        until(world.parts["booking-a"].ready, "booking is ready")
        more(town, history, minter, f"{seed}/after", _AFTERWARDS, AFTERWARDS)
        quiet(world, broker.super_user())
        watch.write()
        history.mark("quiet", clock=world.clocks["scheduler"].now())
        state = whole_state(world, topics, {str(item.id) for item in shops}, mailpit)
    write(folder, state)
    verdict = judge(folder)
    counts = {name: value for name, value in verdict.items() if name not in {"violations", "rules"}}
    print(f"\nseed {seed}, kept in {folder}: {json.dumps(counts, indent=1)}")  # noqa: T201 - for who runs it long
    assert verdict["violations"][:5] == []
    assert verdict["outcomes"]["ok"] > _GRANTED
    assert verdict["changes_heard_of"] > 0
    assert verdict["reminders"]["withdrawn by a policy"] > 0
    assert verdict["judged"].get(EXCUSED, 0) < verdict["judged"][SURELY]
    assert min(verdict["series"]["series"], verdict["waitlist"]["places"]) > 0
    assert verdict["mails_struck"].keys() == set(Strike)


def more(
    town: Town,
    history: History,
    minter: TokenMinter,
    seed: str,
    operations: int,
    weights: Mapping[str, float],
) -> None:
    """So many operations, when nothing is broken any more."""
    until_operations = history.operations + operations

    def enough() -> bool:
        return history.operations >= until_operations

    asyncio.run(busy(town, history, minter, seed, enough, weights=weights))


def _ahead(instant: datetime) -> float:
    """Seconds from the true time to an instant."""
    return (instant - datetime.now(UTC)).total_seconds()
