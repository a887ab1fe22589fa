"""The checker sees what each guard is for: with the guard it finds nothing, without it, it does.

Guards stand one before the other, so a mutation first takes away what stands before the one that is put to the
test: the lock before the constraint, the queries' own filter before row level security, the message's key before
the inbox. All that is changed is a database and processes of the test's own.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chaos.asking import Town
from chaos.checker import judge
from chaos.clients import BOOKINGS, CHANGING, EVERYTHING, busy, cleared, starts_from, with_policies
from chaos.final import booking_state, quiet, whole_state, write
from chaos.history import History
from chaos.launch import mutated
from chaos.recurring import SERIES
from chaos.smtp import Strike
from chaos.town import AHEAD, Shop, first_start, shop
from chaos.waiting import WAITLIST
from chaos.watch import Watch
from chaos.world import World, know, notification_env, opened, told
from devstack.local_http import LOCAL_HTTP
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.events import Topics
from support.mail import Mailpit

pytestmark = pytest.mark.slow

Begin = Callable[[str], AbstractContextManager[tuple[World, list[Shop]]]]
_NO_CONSTRAINT = (
    "ALTER TABLE allocation DROP CONSTRAINT allocation_no_overlap",
    "DROP INDEX allocation_place",
)
_NO_POLICY = tuple(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY" for table in ("appointment", "customer"))
SEED = "mutations"
_IN_ROOMS = frozenset({"Talk", "Bath"})
"""So many services need the one room, so that it is wanted by several at once."""
_CHANGES = CHANGING | {"change-service": 10}
_OFFERS = {"book": 12, "cancel": 8, "join": 5, "offer": 12, "leave": 3, "look": 2}
_AT_MOST = 5
"""So many times as many operations as are asked for, where what they are to bring about does not come."""
_NO_KEY = ("ALTER TABLE message DROP CONSTRAINT message_cause",)


@pytest.fixture
def begin(databases: Databases, minter: TokenMinter, jwks_url: str, kept: Path) -> Begin:
    """Makes an empty world, and two businesses for it, whose history is kept under a name.

    Chance kills nothing of it.
    """

    @contextmanager
    def made(name: str) -> Iterator[tuple[World, list[Shop]]]:
        folder = kept / name
        shops = [shop(first_start(), rooms=1, in_rooms=_IN_ROOMS, reminders=False) for _ in range(2)]
        with (
            History(folder) as history,
            closing(World(databases, history, folder, minter, jwks_url)) as world,
        ):
            yield world, shops

    return made


def set_up(world: World, shops: list[Shop]) -> None:
    """Writes down what the businesses offer."""
    world.history.setup(seed=SEED, clock_slack=0, tenants=[item.setup() for item in shops])


def clients(
    world: World,
    shops: list[Shop],
    urls: list[str],
    operations: int,
    weights: Mapping[str, float] = EVERYTHING,
    *,
    starts: int = 12,
    business: str = "",
    accepted: int = 0,
) -> None:
    """So many operations, for few starts; more of them until so many offers were taken, which is rare."""
    town, history = Town(shops, starts_from(first_start(), starts), urls, business), world.history

    def enough() -> bool:
        taken = history.granted_of("accept") >= accepted or history.operations >= _AT_MOST * operations
        return history.operations >= operations and taken

    asyncio.run(busy(town, history, world.minter, SEED, enough, weights=weights))


def rules_broken(world: World, state: dict[str, Any]) -> set[str]:
    world.history.flush()
    write(world.folder, state)
    return {found["rule"] for found in judge(world.folder)["violations"]}


def booked(
    begin: Begin,
    name: str,
    *mutations: str,
    changes: tuple[str, ...] = (),
    weights: Mapping[str, float] = EVERYTHING,
) -> set[str]:
    """Two booking servers with mutations and a changed database; the rules that were broken."""
    with begin(name) as (world, shops):
        parts = [
            world.service("booking", "serve", called=f"booking-{n}", **mutated(*mutations))
            for n in ("a", "b")
        ]
        world.change("booking", *changes)
        world.ready()
        set_up(world, shops)
        asyncio.run(know(world, shops))
        clients(world, shops, [part.url for part in parts], 600, weights)
        state = booking_state(world)
        assert len(state["appointments"]) > 50, "next to nothing was booked: more is broken than the guard"
        return rules_broken(world, {"booking": state})


def test_the_constraint(begin: Begin) -> None:
    """Takes about 10 s: twice two servers. Writers take no lock, so that only the constraint is between them."""
    assert booked(begin, "constraint", "lock") == set()
    assert "no overlap beyond capacity" in booked(begin, "no-constraint", "lock", changes=_NO_CONSTRAINT)


def test_row_level_security(begin: Begin) -> None:
    """Takes about 10 s, likewise. Queries do not say whose rows they want."""
    assert booked(begin, "policy", "tenant") == set()
    assert "tenants are apart" in booked(begin, "no-policy", "tenant", changes=_NO_POLICY)


def test_what_an_offer_keeps(begin: Begin) -> None:
    """Takes about 10 s, likewise. Businesses offer times that others want; offers are answered as they are made."""
    assert booked(begin, "offers", weights=_OFFERS) == set()
    assert "an offered time is kept" in booked(begin, "no-keeping", "keeping", weights=_OFFERS)


def changed(
    begin: Begin,
    broker: Broker,
    mailpit: Mailpit,
    name: str,
    *,
    booking: tuple[str, ...] = (),
    scheduler: tuple[str, ...] = (),
    weights: Mapping[str, float] = _CHANGES,
    operations: int = 900,
    accepted: int = 0,
) -> set[str]:
    """Businesses change their services and when they remind, while people hold times and book what they hold.

    Of offers to the waitlist so many are taken. Then all that is left to be reminded of comes due. Answers the
    rules broken.
    """
    topics = Topics(broker.super_user())
    with begin(name) as (world, named):
        world.gates(broker, mailpit)
        business = world.service("business", "all", **broker.service_env("business"))
        env = broker.service_env("booking") | {"offer_seconds": "10"}
        books = world.service("booking", "all", **env | mutated(*booking))
        world.service("scheduler", "all", **broker.service_env("scheduler") | mutated(*scheduler))
        world.ready()
        shops = [opened(world, topics, item, "booking") for item in named]
        set_up(world, shops)
        with closing(Watch(world)) as watch:
            weights = with_policies(weights, operations, 45)
            clients(
                world,
                shops,
                [books.url],
                operations,
                weights,
                starts=30,
                business=business.url,
                accepted=accepted,
            )
            asyncio.run(cleared(Town(shops, (), [books.url]), world.history, world.minter))
            quiet(world, broker.super_user())
            world.history.mark("healed", clock=world.clocks["scheduler"].now())
            watch.write()
            world.set_clocks((AHEAD - timedelta(minutes=10)).total_seconds())
            quiet(world, broker.super_user())
            world.history.mark("quiet", clock=world.clocks["scheduler"].now())
        state = whole_state(world, topics, {str(item.id) for item in shops}, None)
        return rules_broken(world, state)


def test_what_a_hold_keeps(begin: Begin, broker: Broker, mailpit: Mailpit) -> None:
    """Takes about 30 s. A service is made longer while it is held, and one room more is taken than there is.

    The run with all guards is the next test's counterpart, too.
    """
    everything = _CHANGES | SERIES | WAITLIST
    assert changed(begin, broker, mailpit, "changes", weights=everything, operations=1200) == set()
    broken = changed(begin, broker, mailpit, "no-take-over", booking=("take-over", "lanes"))
    assert {"what is taken was offered", "no more at once than there are rooms"} <= broken


def test_what_withdraws_a_reminder_takes_a_room_and_keeps_a_series_whole(
    begin: Begin, broker: Broker, mailpit: Mailpit
) -> None:
    """Takes about 30 s. Booking withdraws nothing when a policy changes, and no withdrawal is heeded.

    No room is taken where a service needs one; series are booked and cancelled in part; and who has taken an offer
    waits on.
    """
    guards = "withdrawal", "rooms", "all-or-none", "rest", "end"
    broken = changed(
        begin,
        broker,
        mailpit,
        "no-withdrawal",
        booking=guards,
        scheduler=("clearing",),
        weights=_CHANGES | SERIES | WAITLIST,
        operations=1200,
        accepted=2,
    )
    assert {"a changed policy is followed", "what is withdrawn does not come due"} <= broken
    assert "all that it needs is taken" in broken
    assert {"a series is booked whole", "a series is cancelled whole"} <= broken
    assert "an accepted offer is one appointment" in broken


class Sending:
    """Booking and notification on a Kafka and a mail server that the tests of the file share."""

    def __init__(self, begin: Begin, broker: Broker, mailpit: Mailpit) -> None:
        self._begin, self._broker, self._mailpit = begin, broker, mailpit

    def broken(
        self,
        name: str,
        *mutations: str,
        changes: tuple[str, ...] = (),
        dies: tuple[str, str] | None = None,
        senders: int = 1,
        strikes: tuple[Strike, ...] = (),
    ) -> set[str]:
        """The rules that were broken; `dies` is a part and the named point at which it does.

        Where mails are struck, nothing that was booked is changed, so that each of them is still wanted.
        """
        broker, topics = self._broker, Topics(self._broker.super_user())
        prefix = f"{name}."
        for topic in ("booking.appointment.v1", "booking.waitlist.v1", "scheduler.reminder.v1"):
            topics.pass_over(f"{prefix}notification.messages", topic)
        LOCAL_HTTP.delete(f"{self._mailpit.url}/api/v1/messages").raise_for_status()
        with self._begin(name) as (world, shops):
            world.gates(broker, self._mailpit)
            booking = world.service("booking", "serve")
            world.service("booking", "relay", called="relay", **broker.service_env("booking"))
            env = notification_env(world, broker) | mutated(*mutations) | {"kafka_group_prefix": prefix}
            world.service("notification", "all", **env)
            for n in range(1, senders):
                world.service("notification", "consume", called=f"sender-{n}", **env)
            world.change("notification", *changes)
            world.ready()
            set_up(world, shops)
            asyncio.run(know(world, shops))
            told(world, topics, shops, "notification")
            if dies is not None:
                world.parts[dies[0]].arm(dies[1])
                world.parts[dies[0]].kill()
                world.ready()
            for strike in strikes:
                world.mails.arm(strike)
            if strikes:
                clients(world, shops, [booking.url], 150, BOOKINGS, starts=40)
            else:
                clients(world, shops, [booking.url], 150)
            quiet(world, broker.super_user(), prefix=prefix)
            assert not world.mails.armed(), "too few mails came"
            state = whole_state(world, topics, {str(item.id) for item in shops}, self._mailpit)
            return rules_broken(world, state)


@pytest.fixture
def sending(begin: Begin, broker: Broker, mailpit: Mailpit) -> Sending:
    return Sending(begin, broker, mailpit)


def test_the_inbox(sending: Sending) -> None:
    """Takes about 25 s. Messages have no key of their own, and the relay dies behind what it has sent."""
    relay = "relay", "relay.produced"
    assert sending.broken("inbox", "key", changes=_NO_KEY, dies=relay) == set()
    assert "one effect a cause" in sending.broken("no-inbox", "key", "inbox", changes=_NO_KEY, dies=relay)


def test_the_claim_of_a_message(sending: Sending) -> None:
    """Takes about 25 s. Two senders share the queue."""
    assert sending.broken("claim", senders=2) == set()
    assert "one mail a message" in sending.broken("no-claim", "claim", senders=2)


def test_the_mark_of_a_message_that_is_being_sent(sending: Sending) -> None:
    """Takes about 25 s. The sender dies behind the hand-over: what is sent again has to say so."""
    sender = "notification", "notification.sent"
    assert sending.broken("mark", dies=sender) == set()
    assert "one mail a message" in sending.broken("no-mark", "mark", dies=sender)


def test_the_doubt_about_a_mail_that_was_cut(sending: Sending) -> None:
    """Takes about 25 s. Its sender cannot know what became of it: what is sent again has to say so."""
    says_so = "in doubt is repeated and says so"
    assert sending.broken("cut", strikes=tuple(Strike)) == set()
    assert says_so in sending.broken("no-repeat", "repeat", strikes=(Strike.BEHIND,))
    assert says_so in sending.broken("no-doubt", "doubt", strikes=(Strike.WITHIN,))
