"""Figures come from events, by the business's own days, whatever the order in which the events come."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from contracts.billing import SubscriptionActivated, SubscriptionCanceled, SubscriptionPastDue
from contracts.booking import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentEvent,
    AppointmentNoShow,
    AppointmentRescheduled,
)
from contracts.notification import MessageFailed, MessageSent, MessageSuppressed
from contracts.platform import TenantChanged
from integration.analytics.world import World, appointment, message
from servicekit.clock import utc_now
from servicekit.ids import new_id

MONDAY = "2026-03-02"
TUESDAY = "2026-03-03"
WEDNESDAY = "2026-03-04"


def at(day: str, hour: int = 12, minute: int = 0) -> datetime:
    return datetime.fromisoformat(f"{day}T{hour:02}:{minute:02}:00+00:00")


def story(tenant: TenantChanged, *steps: tuple[type[AppointmentEvent], datetime]) -> list[AppointmentEvent]:
    """What befell one appointment of Tuesday noon, in order: the versions rise."""
    appointment_id = new_id()
    return [
        appointment(
            kind,
            tenant,
            at(TUESDAY),
            appointment_id=appointment_id,
            version=version,
            occurred_at=occurred_at,
        )
        for version, (kind, occurred_at) in enumerate(steps, start=1)
    ]


def test_each_thing_counts_on_its_day(world: World) -> None:
    tenant = world.tenant()
    booked = (AppointmentBooked, at(MONDAY))
    for events in (
        story(tenant, booked),
        story(tenant, booked, (AppointmentCancelled, at(WEDNESDAY))),
        story(tenant, booked, (AppointmentCompleted, at(WEDNESDAY))),
        story(tenant, booked, (AppointmentNoShow, at(WEDNESDAY))),
    ):
        for event in events:
            world.topics.publish(event)
    world.topics.publish(message(MessageSent, tenant, at(TUESDAY)))
    world.topics.publish(message(MessageSent, tenant, at(TUESDAY)))
    world.topics.publish(message(MessageFailed, tenant, at(TUESDAY)))
    world.shows(tenant, MONDAY, booked=4)
    # The first one took place or not: as others of the day are settled, it counts as a no-show.
    world.shows(
        tenant,
        TUESDAY,
        completed=1,
        no_shows=2,
        unsettled=1,
        reminders_sent=2,
        reminders_failed=1,
        reminder_success_rate=0.6667,
    )
    world.shows(tenant, WEDNESDAY, cancelled=1)


def test_other_messages_and_held_back_reminders_are_no_reminders(world: World) -> None:
    tenant = world.tenant()
    reminder = message(MessageSent, tenant, at(TUESDAY))
    ids = [
        world.topics.publish(event)
        for event in (
            message(MessageSent, tenant, at(TUESDAY), kind="booked"),
            message(MessageFailed, tenant, at(TUESDAY), kind="cancelled"),
            message(MessageSuppressed, tenant, at(TUESDAY)),
            reminder,
        )
    ]
    world.consumed(ids[0], ids[1], ids[3])
    world.shows(tenant, TUESDAY, reminders_sent=1, reminder_success_rate=1.0)


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_ended_today_or_was_never_confirmed_is_not_unsettled(world: World, confirmed: bool) -> None:
    """Confirmed and ended less than a day ago; or long past and still waiting for the business's word."""
    tenant = world.tenant(timezone="UTC")
    starts_at = utc_now() - timedelta(hours=2 if confirmed else 49)
    event = appointment(
        AppointmentBooked, tenant, starts_at, confirmed=confirmed, occurred_at=starts_at - timedelta(days=9)
    )
    world.consumed(world.topics.publish(event))
    assert world.day(tenant, starts_at.date().isoformat()) == {}


def test_a_moved_appointment_counts_where_it_is_now(world: World) -> None:
    tenant = world.tenant()
    booked, moved, done = story(
        tenant,
        (AppointmentBooked, at(MONDAY)),
        (AppointmentRescheduled, at(MONDAY)),
        (AppointmentCompleted, at(WEDNESDAY)),
    )
    to = {"starts_at": at(WEDNESDAY), "ends_at": at(WEDNESDAY, 13)}
    world.topics.publish(booked)
    world.topics.publish(moved.model_copy(update=to))
    world.topics.publish(done.model_copy(update=to))
    world.shows(tenant, WEDNESDAY, completed=1)
    assert world.day(tenant, MONDAY) == {"booked": 1}
    assert world.day(tenant, TUESDAY) == {}


def test_in_every_order_the_figures_are_the_same(world: World) -> None:
    """Booked unconfirmed, confirmed, moved, missed: 24 businesses, each told in an order of its own."""
    expected = []
    for order in permutations(range(4)):
        tenant = world.tenant()
        events = story(
            tenant,
            (AppointmentBooked, at(MONDAY)),
            (AppointmentConfirmed, at(MONDAY)),
            (AppointmentRescheduled, at(MONDAY)),
            (AppointmentNoShow, at(WEDNESDAY)),
        )
        ids = [world.topics.publish(events[index]) for index in order]
        expected.append((tenant, ids))
    for tenant, ids in expected:
        world.consumed(*ids)
        assert world.day(tenant, MONDAY) == {"booked": 1}
        assert world.day(tenant, TUESDAY) == {"no_shows": 1}
        assert world.day(tenant, WEDNESDAY) == {}


def test_a_late_confirmation_still_confirms(world: World) -> None:
    """Moved while pending, and that is heard of before the confirmation: two days past, it is unsettled."""
    tenant = world.tenant()
    booked, confirmed, moved = story(
        tenant,
        (AppointmentBooked, at(MONDAY)),
        (AppointmentConfirmed, at(MONDAY)),
        (AppointmentRescheduled, at(MONDAY)),
    )
    pending = booked.model_copy(update={"confirmed": False})
    world.consumed(*[world.topics.publish(event) for event in (moved, pending)])
    assert world.day(tenant, TUESDAY) == {}
    world.topics.publish(confirmed)
    world.shows(tenant, TUESDAY, unsettled=1)


def test_duplicates_change_nothing(world: World) -> None:
    """The same event under the same id, and told again under another."""
    tenant = world.tenant()
    events = [
        *story(tenant, (AppointmentBooked, at(MONDAY)), (AppointmentCancelled, at(TUESDAY))),
        message(MessageSent, tenant, at(TUESDAY)),
        message(MessageFailed, tenant, at(TUESDAY)),
    ]
    ids = [world.topics.publish(event) for event in events]
    for event, event_id in zip(events, ids, strict=True):
        world.topics.publish(event, event_id=event_id)

    world.consumed(*ids, *[world.topics.publish(event) for event in reversed(events)])
    assert world.day(tenant, MONDAY) == {"booked": 1}
    assert world.day(tenant, TUESDAY) == {
        "cancelled": 1,
        "reminders_sent": 1,
        "reminders_failed": 1,
        "reminder_success_rate": 0.5,
    }


@pytest.mark.parametrize("sent_first", [True, False])
def test_a_reminder_that_failed_and_was_sent_after_all_counts_as_sent(world: World, sent_first: bool) -> None:
    tenant = world.tenant()
    sent = message(MessageSent, tenant, at(WEDNESDAY))
    failed = message(MessageFailed, tenant, at(TUESDAY), message_id=sent.message_id)
    order = (sent, failed) if sent_first else (failed, sent)
    world.consumed(*[world.topics.publish(event) for event in order])
    assert world.day(tenant, TUESDAY) == {}
    assert world.day(tenant, WEDNESDAY) == {"reminders_sent": 1, "reminder_success_rate": 1.0}


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("America/New_York", datetime(2026, 3, 3, 4, 30, tzinfo=UTC), MONDAY),  # 23:30 on Monday
        ("Asia/Kathmandu", datetime(2026, 3, 2, 17, 45, tzinfo=UTC), MONDAY),  # 23:30 on Monday
        ("Asia/Kathmandu", datetime(2026, 3, 2, 18, 15, tzinfo=UTC), TUESDAY),  # midnight
        ("Pacific/Auckland", datetime(2026, 3, 2, 10, 30, tzinfo=UTC), MONDAY),  # 23:30 on Monday
        ("Europe/Lisbon", datetime(2026, 3, 29, 22, 30, tzinfo=UTC), "2026-03-29"),  # 23:30, after the change
        ("Europe/Lisbon", datetime(2026, 3, 29, 23, 0, tzinfo=UTC), "2026-03-30"),  # midnight in summer time
    ],
)
def test_a_day_is_the_business_s_own(world: World, zone: str, instant: datetime, day: str) -> None:
    tenant = world.tenant(timezone=zone)
    world.topics.publish(appointment(AppointmentBooked, tenant, utc_now(), occurred_at=instant))
    world.shows(tenant, day, booked=1)
    around = world.get(tenant.tenant_id, **{"from": "2026-03-01", "to": "2026-03-31"}).json()
    assert around["timezone"] == zone
    assert sum(item["booked"] for item in around["items"]) == 1


def test_a_business_that_moves_to_another_zone_has_its_figures_there(world: World) -> None:
    tenant = world.tenant(timezone="America/New_York")
    instant = datetime(2026, 3, 3, 4, 30, tzinfo=UTC)
    world.topics.publish(appointment(AppointmentBooked, tenant, utc_now(), occurred_at=instant))
    world.shows(tenant, MONDAY, booked=1)
    moved = tenant.model_copy(update={"timezone": "Europe/Lisbon", "generation": 2})
    world.topics.publish(moved)
    world.answer(moved)
    assert world.day(moved, MONDAY) == {}
    assert world.day(moved, TUESDAY) == {"booked": 1}


def test_events_that_come_before_the_business_s_record_count(world: World) -> None:
    stranger = world.tenant().model_copy(update={"tenant_id": new_id()})
    world.consumed(
        world.topics.publish(appointment(AppointmentBooked, stranger, utc_now(), occurred_at=at(MONDAY)))
    )
    assert world.get(stranger.tenant_id).status_code == 404
    world.topics.publish(stranger.model_copy(update={"slug": f"s-{stranger.tenant_id.hex[-12:]}"}))
    world.answer(stranger)
    assert world.day(stranger, MONDAY) == {"booked": 1}


def _subscription(tenant: TenantChanged, occurred_at: datetime) -> dict[str, object]:
    return {
        "tenant_id": tenant.tenant_id,
        "customer_id": "cus_1",
        "subscription_id": f"sub_{UUID(str(tenant.tenant_id)).hex[-8:]}",
        "plan": "pro",
        "price_id": None,
        "current_period_end": None,
        "occurred_at": occurred_at,
    }


def test_the_owner_sees_the_subscription_that_lives_though_the_end_of_another_was_told_last(
    world: World,
) -> None:
    tenant = world.tenant()
    lives = SubscriptionActivated.model_validate(_subscription(tenant, at(MONDAY)) | {"status": "active"})
    ended = SubscriptionCanceled.model_validate(
        _subscription(tenant, at(TUESDAY)) | {"status": "canceled", "subscription_id": "sub_before"}
    )
    world.consumed(world.topics.publish(lives), world.topics.publish(ended))
    assert world.get(tenant.tenant_id).json()["subscription"]["status"] == "active"


def test_the_owner_sees_the_subscription_as_it_was_told_last(world: World) -> None:
    tenant = world.tenant()
    late = SubscriptionPastDue.model_validate(_subscription(tenant, at(TUESDAY)) | {"status": "past_due"})
    early = SubscriptionActivated.model_validate(_subscription(tenant, at(MONDAY)) | {"status": "active"})
    world.consumed(world.topics.publish(late), world.topics.publish(early))
    shown = world.get(tenant.tenant_id).json()["subscription"]
    assert (shown["plan"], shown["status"]) == ("pro", "past_due")
    assert world.get(tenant.tenant_id, role="staff").json()["subscription"] is None
