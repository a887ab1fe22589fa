"""What is left when a sender dies or the mail server is away: docs/adr/0007, tried out.

The process is killed by SIGKILL at a named point (servicekit.faults). The next one waits for the killed one's
session at Kafka to end.
"""

import signal

import pytest

from contracts.notification import MessageSent
from integration.notification.world import SOON_LEFT, World
from support.events import until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("fault", "mails"), [("notification.sending", 1), ("notification.sent", 2)])
def test_a_message_in_the_window_goes_out_again_under_the_same_id(
    world: World, fault: str, mails: int
) -> None:
    """Before the hand-over the repeat is the only mail; after it, the one repeat that SMTP cannot rule out."""
    salon = world.salon()
    world.consumed(*[world.topics.publish(event) for event in (salon.service, salon.staff, salon.customer)])
    world.stop()
    running = world.start(fault=fault, **SOON_LEFT)
    world.topics.publish(salon.booked())
    assert running.process.wait(60) == -signal.SIGKILL
    (row,) = world.messages(salon)
    assert (row["status"], row["attempts"]) == ("sending", 1)
    assert len(world.post.mails(salon.email)) == mails - 1
    world.stop()
    world.start()
    (row,) = world.settled(salon, 1)
    assert (row["status"], row["attempts"], row["repeated"]) == ("sent", 2, True)
    assert len({mail["MessageID"] for mail in world.mails(salon, mails)}) == 1
    assert [type(event) for event in world.outcomes(salon, 1)] == [MessageSent]
    shown = world.get(salon.tenant.tenant_id).json()["items"]
    assert [item["possibly_repeated"] for item in shown] == [True]
    used = world.rows("SELECT used FROM usage WHERE tenant_id = %s", salon.tenant.tenant_id)
    assert used == [{"used": 1}]


def test_mail_waits_for_its_server_and_then_goes_out_once(world: World) -> None:
    salon = world.salon()
    world.post.stop()
    try:
        world.topics.publish(salon.booked())

        def tried() -> bool:
            rows = world.messages(salon)
            return bool(rows) and rows[0]["attempts"] >= 2

        until(tried, "two attempts")
    finally:
        world.post.start()
    (row,) = world.settled(salon, 1)
    assert (row["status"], row["repeated"]) == ("sent", False)
    assert row["attempts"] >= 3
    world.mails(salon, 1)
    assert world.running is not None
    assert salon.email not in world.running.log.read_text("utf-8")


def test_two_senders_share_the_queue_and_nothing_goes_out_twice(world: World) -> None:
    salon = world.salon()
    world.consumed(*[world.topics.publish(event) for event in (salon.service, salon.staff, salon.customer)])
    with world.second("consume"):
        for _ in range(40):
            world.topics.publish(salon.booked())
        rows = world.settled(salon, 40)
    assert {(row["status"], row["attempts"]) for row in rows} == {("sent", 1)}
    assert len({mail["MessageID"] for mail in world.mails(salon, 40)}) == 40
