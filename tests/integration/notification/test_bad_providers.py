"""Mail and SMS servers on bad days: every message goes out, and once, but where nobody can know that it did.

Each message meets one fault, for as many messages as there are faults; then the servers behave.
"""

from collections import Counter, deque
from collections.abc import Iterator

import pytest

from contracts.booking import AppointmentCancelled, Channel
from contracts.notification import MessageFailed, MessageSuppressed
from integration.notification.world import World
from support.bad_servers import HAS_CONTENT, IN_DOUBT, BadHttpServer, BadSmtpServer, HttpFault, SmtpFault
from support.events import until


@pytest.fixture
def smtp(world: World) -> Iterator[BadSmtpServer]:
    made = BadSmtpServer()
    world.stop()
    world.start(smtp_port=str(made.port), smtp_timeout="5")
    yield made
    world.stop()
    made.close()
    world.start()


@pytest.fixture
def carrier(world: World) -> Iterator[BadHttpServer]:
    made = BadHttpServer()
    world.stop()
    world.start(sms_provider="http", sms_url=made.url, sms_token="s3cret", send_timeout="5")
    yield made
    world.stop()
    made.close()
    world.start()


@pytest.mark.slow
def test_a_mail_server_on_a_bad_day_loses_and_doubles_nothing(world: World, smtp: BadSmtpServer) -> None:
    """Slow: a server that says nothing is waited for, and each failed attempt is followed by a pause."""
    salon = world.salon()
    smtp.faults.extend(SmtpFault)
    for _ in SmtpFault:
        world.topics.publish(salon.booked())
    rows = world.settled(salon, len(SmtpFault))
    assert {row["status"] for row in rows} == {"sent"}
    assert sum(row["repeated"] for row in rows) == len(IN_DOUBT)
    assert not smtp.faults
    ids = {f"<{row['message_id']}@slotwright.example>" for row in rows}
    assert Counter(smtp.taken) == dict.fromkeys(ids, 1)
    assert sum(Counter(smtp.seen).values()) == len(ids) + len(HAS_CONTENT)
    repeated = {f"<{row['message_id']}@slotwright.example>" for row in rows if row["repeated"]}
    assert {mail for mail, copies in Counter(smtp.seen).items() if copies > 1} < repeated
    used = world.rows("SELECT used FROM usage WHERE tenant_id = %s", salon.tenant.tenant_id)
    assert used == [{"used": len(SmtpFault)}]


def test_what_may_have_arrived_is_not_told_of_as_held_back(world: World, smtp: BadSmtpServer) -> None:
    salon = world.salon()
    smtp.faults.extend([SmtpFault.RESET_AFTER_DATA] * 100)
    booked = salon.booked()
    world.topics.publish(booked)
    until(lambda: smtp.seen, "the server has the mail")
    again = {"appointment_id": booked.appointment_id, "starts_at": booked.starts_at}
    world.consumed(world.topics.publish(salon.event(AppointmentCancelled, version=2, **again)))
    until(lambda: world.messages(salon)[0]["settled_at"], "no more attempts")
    smtp.faults.clear()
    first, second = world.settled(salon, 2)
    assert (first["status"], first["reason"]) == ("failed", "Interrupted")
    assert (second["status"], second["kind"]) == ("sent", "cancelled")


@pytest.mark.slow
def test_a_carrier_on_a_bad_day_loses_nothing_and_can_tell_every_repeat(
    world: World, carrier: BadHttpServer
) -> None:
    """Slow, as above."""
    salon = world.salon()
    booked = salon.booked()
    world.topics.publish(booked)
    world.settled(salon, 1)
    carrier.faults = deque(HttpFault)
    for _ in HttpFault:
        world.topics.publish(salon.due(booked, channel=Channel.SMS))
    rows = [row for row in world.settled(salon, 1 + len(HttpFault)) if row["channel"] == "sms"]
    assert {row["status"] for row in rows} == {"sent"}
    ids = {str(row["message_id"]) for row in rows}
    assert set(carrier.keys) == ids
    assert Counter(body["message_id"] for body in carrier.taken) == dict.fromkeys(ids, 1)


def test_nobody_there_is_not_written_to_again(world: World, smtp: BadSmtpServer) -> None:
    salon = world.salon()
    smtp.rcpt = b"550 5.1.1 <somebody>: no such user\r\n"
    world.topics.publish(salon.booked())
    (row,) = world.settled(salon, 1)
    assert (row["status"], row["reason"], row["attempts"]) == ("failed", "NoSuchMailbox", 1)
    smtp.rcpt = b"250 ok\r\n"
    world.topics.publish(salon.booked())
    assert [row["reason"] for row in world.settled(salon, 2)] == ["NoSuchMailbox", "bounced"]
    # Two appointments: their order is not promised.
    failed, suppressed = sorted(world.outcomes(salon, 2), key=lambda event: event.TYPE)
    assert isinstance(failed, MessageFailed)
    assert isinstance(suppressed, MessageSuppressed)
    assert (suppressed.reason, suppressed.detail) == ("no-address", "bounced")
    (entry,) = world.ask(salon.tenant.tenant_id, "GET", "/v1/suppressions").json()["items"]
    assert (entry["reason"], entry["scope"]) == ("bounced", "all")
    assert smtp.taken == []
    assert world.running is not None
    assert salon.email not in world.running.log.read_text("utf-8")
    # Until the business says that somebody is there after all.
    world.ask(salon.tenant.tenant_id, "DELETE", f"/v1/suppressions/{entry['id']}").raise_for_status()
    world.topics.publish(salon.booked())
    assert world.settled(salon, 3)[2]["status"] == "sent"
