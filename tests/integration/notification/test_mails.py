"""What reaches a customer's mailbox, and what does not, and what is told about it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.booking import (
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentRescheduled,
    Channel,
    Consent,
)
from contracts.model import TenantEvent
from contracts.notification import MessageFailed, MessageSent, MessageSuppressed
from contracts.platform import Limits, TenantState
from contracts.topics import dead_letter_topic
from integration.notification.world import Salon, World, in_a
from servicekit.ids import new_id
from support.events import until


def test_a_booking_is_confirmed_by_one_mail_with_the_manage_link(world: World) -> None:
    salon = world.salon()
    named = "SELECT 1 FROM catalog_name WHERE tenant_id = %s AND entity_id = %s"
    # A mail waits for the service's name, not for the staff's.
    until(lambda: world.rows(named, salon.tenant.tenant_id, salon.staff.staff_id), "Bo's name is known")
    booked = salon.booked()
    world.topics.publish(booked)
    (mail,) = world.mails(salon, 1)
    token = world.links.token(salon.tenant.tenant_id, booked.appointment_id)
    link = f"{world.minter.issuer}/appointments/{token}"
    assert link in mail["Text"]
    assert link in mail["HTML"]
    assert world.links.parse(token) == (salon.tenant.tenant_id, booked.appointment_id)
    assert mail["From"]["Name"] == "Riverside Barbers"
    assert mail["Subject"].startswith("Booked: Haircut at Riverside Barbers, ")
    assert "with Bo" in mail["Text"]
    (row,) = world.settled(salon, 1)
    assert mail["MessageID"] == f"{row['message_id']}@slotwright.example"
    (told,) = world.outcomes(salon, 1)
    assert isinstance(told, MessageSent)
    assert (told.kind, told.appointment_id, told.provider) == ("booked", booked.appointment_id, "smtp")


def test_each_change_of_an_appointment_is_told_once(world: World) -> None:
    salon = world.salon()
    booked = salon.booked(confirmed=False)
    same: dict[str, Any] = {"appointment_id": booked.appointment_id, "starts_at": booked.starts_at}
    world.topics.publish(booked)
    assert world.mails(salon, 1)[0]["Subject"].startswith("Requested: ")
    world.topics.publish(salon.event(AppointmentConfirmed, version=2, **same))
    assert world.mails(salon, 2)[1]["Subject"].startswith("Confirmed: ")
    moved = same | {"starts_at": booked.starts_at + timedelta(days=1)}
    previous = {"previous_starts_at": booked.starts_at}
    world.topics.publish(salon.event(AppointmentRescheduled, version=3, **moved, **previous))
    assert world.mails(salon, 3)[2]["Subject"].startswith("Moved: ")
    world.topics.publish(salon.event(AppointmentCancelled, version=4, **moved))
    last = world.mails(salon, 4)[3]
    assert last["Subject"].startswith("Cancelled: ")
    assert "/appointments/" not in last["Text"]


def test_what_has_run_out_is_told_as_such_and_in_a_businesss_own_words_for_it(world: World) -> None:
    """Those for a cancellation are not taken: nobody has cancelled it. News of it ends a day behind its start."""
    own, late = world.salon(), world.salon()
    path = "/v1/message-templates/{}/email/en"
    for kind, lead in (("cancelled", "we have cancelled it"), ("unconfirmed", "we were too slow")):
        put = world.ask(
            own.tenant.tenant_id, "PUT", path.format(kind), json={"lead": lead}, headers={"If-Match": "*"}
        )
        assert put.status_code == 200, put.text
    for salon, begun in ((own, timedelta()), (late, timedelta(days=2))):
        ends: dict[str, Any] = {"starts_at": in_a(-begun), "cancelled_by": "system", "version": 2}
        world.topics.publish(salon.event(AppointmentCancelled, **ends))
    (mail,) = world.mails(own, 1)
    assert mail["Subject"].startswith("Not confirmed: Haircut at Riverside Barbers, ")
    assert "we were too slow" in mail["Text"]
    assert [row["reason"] for row in world.settled(late, 1)] == ["too-late"]


def test_a_due_reminder_is_one_mail_however_often_it_comes(world: World) -> None:
    salon = world.salon()
    booked = salon.booked()
    world.topics.publish(booked)
    world.mails(salon, 1)
    due = salon.due(booked)
    first = world.topics.publish(due)
    again = [world.topics.publish(due, event_id=first), world.topics.publish(due), world.topics.publish(due)]
    world.consumed(first, *again)
    world.settled(salon, 2)
    mails = world.mails(salon, 2)
    assert mails[1]["Subject"].startswith("Reminder: ")
    told = [event for event in world.outcomes(salon, 2) if event.kind == "reminder"]
    assert [(type(event), event.reminder_id) for event in told] == [(MessageSent, due.reminder_id)]


def test_an_offer_to_the_waitlist_is_one_mail_with_the_link_that_takes_it(world: World) -> None:
    salon = world.salon()
    offered = salon.offered()
    world.consumed(*(world.topics.publish(offered) for _ in range(2)))
    (mail,) = world.mails(salon, 1)
    link = f"{world.minter.issuer}/waitlist/{world.places.token(salon.tenant.tenant_id, offered.entry_id)}"
    assert mail["Subject"].startswith("Free for you: Haircut at Riverside Barbers, ")
    assert link in mail["Text"]
    assert link in mail["HTML"]
    assert ".ics" not in mail["Text"]
    (row,) = world.settled(salon, 1)
    assert (row["kind"], row["status"]) == ("waitlist-offer", "sent")
    shown = world.get(salon.tenant.tenant_id, appointment_id=str(offered.offer_id)).json()["items"]
    assert [item["kind"] for item in shown] == ["waitlist-offer"]


def test_an_offer_that_is_taken_or_has_run_out_is_not_told_any_more(world: World) -> None:
    salon = world.salon()
    taken = salon.offered()
    booked = salon.booked(appointment_id=taken.offer_id, starts_at=taken.starts_at, source="waitlist")
    world.topics.publish(booked)
    world.mails(salon, 1)
    world.topics.publish(taken)
    world.topics.publish(salon.offered(expires_at=in_a(timedelta(seconds=-5))))
    rows = world.settled(salon, 3)
    reasons = [row["reason"] for row in rows if row["kind"] == "waitlist-offer"]
    assert sorted(reasons) == ["stale", "too-late"]
    world.mails(salon, 1)
    told = world.outcomes(salon, 1)
    assert [event.kind for event in told] == ["booked"]


def test_a_reminder_waits_for_what_other_topics_have_still_to_tell(world: World) -> None:
    """Due before its customer, its catalog and its appointment are known."""
    salon = world.salon()
    unknown = type(salon)(salon.tenant)
    booked = unknown.booked()
    world.consumed(world.topics.publish(unknown.due(booked)))
    for event in (booked, unknown.service, unknown.customer):
        assert not world.post.mails(unknown.email)
        world.consumed(world.topics.publish(event))
    subjects = {mail["Subject"].partition(":")[0] for mail in world.mails(unknown, 2)}
    assert subjects == {"Booked", "Reminder"}


@pytest.mark.parametrize("asked", [Salon.booked, Salon.offered])
@pytest.mark.parametrize("agreed", [True, False])
def test_what_a_customer_says_with_a_booking_or_place_counts_whichever_is_heard_first(
    world: World, asked: Callable[..., TenantEvent], *, agreed: bool
) -> None:
    """Somebody who was there before books or waits again, and says otherwise about mails than the last time."""
    salon = world.salon(consent=Consent(email=not agreed, sms=False))
    world.consumed(world.topics.publish(asked(salon, customer_version=2)))

    def looked_at() -> bool:
        (row,) = world.messages(salon)
        return bool(row["next_attempt_at"] > row["queued_at"])

    until(looked_at, "its turn has come")
    said = salon.customer.model_copy(update={"version": 2, "consent": Consent(email=agreed, sms=False)})
    world.topics.publish(said)
    (row,) = world.settled(salon, 1)
    assert (row["status"], row["reason"]) == (("sent", None) if agreed else ("suppressed", "no-consent"))
    assert len(world.post.mails(salon.email)) == agreed


@pytest.mark.parametrize(
    ("customer", "reason"),
    [
        ({"consent": Consent(email=False, sms=True)}, "no-consent"),
        ({"email": None}, "no-address"),
    ],
)
def test_who_cannot_be_written_to_gets_nothing_and_that_is_told(
    world: World, customer: dict[str, Any], reason: str
) -> None:
    salon = world.salon(**customer)
    world.topics.publish(salon.booked())
    (told,) = world.outcomes(salon, 1)
    assert isinstance(told, MessageSuppressed)
    assert told.reason == reason
    if salon.customer.email is not None:
        assert not world.post.mails(salon.email)


def test_reminders_that_are_no_longer_true_are_not_sent(world: World) -> None:
    salon = world.salon()
    cancelled, moved = salon.booked(), salon.booked()
    for event in (cancelled, moved):
        world.topics.publish(event)
    world.mails(salon, 2)
    past = {"appointment_id": cancelled.appointment_id, "starts_at": cancelled.starts_at, "version": 2}
    later = {"appointment_id": moved.appointment_id, "version": 2}
    later["starts_at"] = moved.starts_at + timedelta(hours=1)
    world.topics.publish(salon.event(AppointmentCancelled, **past))
    world.topics.publish(salon.event(AppointmentRescheduled, **later))
    world.mails(salon, 4)
    world.topics.publish(salon.due(cancelled))
    world.topics.publish(salon.due(moved))
    world.topics.publish(salon.due(salon.booked(starts_at=in_a(timedelta(seconds=-5)))))
    rows = world.settled(salon, 7)
    reasons = [row["reason"] for row in rows if row["kind"] == "reminder"]
    assert sorted(reasons) == ["stale", "stale", "too-late"]
    assert len(world.post.mails(salon.email)) == 4


def test_the_plans_mails_are_counted_and_the_next_one_is_suppressed(world: World) -> None:
    salon = world.salon(world.tenant(limits=Limits(emails_per_month=2)))
    for _ in range(3):
        world.topics.publish(salon.booked())
    rows = world.settled(salon, 3)
    assert sorted(row["reason"] or "" for row in rows) == ["", "", "quota"]
    assert len(world.post.mails(salon.email)) == 2

    def used() -> bool:
        usage = world.answer(salon.tenant).details.usage
        return usage == {"emails_per_month": 2}

    until(used, "the use is reported")


def test_a_plan_without_text_messages_sends_none(world: World) -> None:
    salon = world.salon(world.tenant(features={"sms": False}))
    booked = salon.booked()
    world.topics.publish(booked)
    world.topics.publish(salon.due(booked, channel=Channel.SMS))
    reasons = {row["channel"]: row["reason"] for row in world.settled(salon, 2)}
    assert reasons == {"email": None, "sms": "quota"}
    assert world.rows("SELECT 1 FROM mock_sms WHERE tenant_id = %s", salon.tenant.tenant_id) == []


def test_a_suspended_business_writes_to_nobody(world: World) -> None:
    salon = world.salon(world.tenant(state=TenantState.SUSPENDED))
    world.topics.publish(salon.booked())
    (row,) = world.settled(salon, 1)
    assert (row["status"], row["reason"]) == ("suppressed", "suspended")


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("somebody@refused.invalid", "Rejected"),
        ("a@b.example, c@d.example", "BadAddress"),
        ("x", "BadAddress"),
    ],
)
def test_an_address_that_cannot_be_has_failed_for_good(world: World, email: str, reason: str) -> None:
    salon = world.salon(email=email)
    world.topics.publish(salon.booked())
    (told,) = world.outcomes(salon, 1)
    assert isinstance(told, MessageFailed)
    assert (told.reason, told.attempts) == (reason, 1)
    (row,) = world.messages(salon)
    assert row["status"] == "failed"
    used = world.rows("SELECT used FROM usage WHERE tenant_id = %s", salon.tenant.tenant_id)
    assert used == [{"used": 0}]  # given back


def test_names_of_people_cannot_become_headers(world: World) -> None:
    tenant = world.tenant(display_name="River\r\nBcc: thief@evil.example")
    salon = world.salon(tenant, name="Ana\r\nBcc: thief@evil.example <b>")
    world.topics.publish(salon.booked())
    (mail,) = world.mails(salon, 1)
    assert mail["Bcc"] in ([], None)
    assert not world.post.mails("thief@evil.example")
    assert "<b>" not in mail["HTML"]


def test_a_text_message_is_kept_by_the_mock_for_a_person_to_see(world: World) -> None:
    salon = world.salon(locale="pt-PT")
    booked = salon.booked()
    world.topics.publish(booked)
    world.topics.publish(salon.due(booked, channel=Channel.SMS))
    world.settled(salon, 2)
    (sms,) = world.get(salon.tenant.tenant_id, channel="sms").json()["items"]
    assert (sms["status"], sms["provider"], sms["recipient"]) == ("sent", "mock", "+351912345678")
    shown = world.get(salon.tenant.tenant_id, f"/{sms['id']}").json()
    assert shown["text"].startswith("Lembrete: Haircut em Riverside Barbers, ")
    assert world.links.token(salon.tenant.tenant_id, booked.appointment_id) in shown["text"]


@pytest.mark.parametrize("fault", ["not JSON", "no version", "no such channel"])
def test_a_malformed_event_goes_to_the_dead_letters_and_the_next_ones_count(world: World, fault: str) -> None:
    salon = world.salon()
    event = salon.due(salon.booked()) if fault == "no such channel" else salon.booked()
    body = json.loads(event.model_dump_json())
    if fault == "no version":
        del body["version"]
    if fault == "no such channel":
        body["channel"] = "pigeon"
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": str(new_id()).encode(),
        "ce_source": b"/slotwright/test",
        "ce_type": event.TYPE.encode(),
        "ce_tenantid": str(salon.tenant.tenant_id).encode(),
    }
    value = b"{" if fault == "not JSON" else json.dumps(body).encode()
    world.topics.put(event.TOPIC, event.key, value, headers)
    world.topics.publish(salon.booked(appointment_id=event.appointment_id))
    world.mails(salon, 1)

    ours = ("dl_consumer", b"notification.messages")  # webhooks read the topic, too, and put theirs

    def dead() -> list[Any]:
        letters = world.topics.messages(dead_letter_topic("notification"))
        return [item for item in letters if (item.key or b"").decode() == event.key and ours in item.headers]

    (letter,) = until(dead, "the dead letter is there")
    assert letter.value == value
