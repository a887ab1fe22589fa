"""Reminder times and sessions."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from booking.domain import reminders_for
from contracts.booking import Channel
from contracts.business import ReminderRule

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY_BEFORE = ReminderRule(rule_id=UUID(int=1), offset_seconds=86_400, channel=Channel.EMAIL)
HOUR_BEFORE = ReminderRule(rule_id=UUID(int=2), offset_seconds=3_600, channel=Channel.SMS)


def test_each_rule_asks_for_one_reminder() -> None:
    wanted = reminders_for(UUID(int=7), 1, START, [DAY_BEFORE, HOUR_BEFORE], START - timedelta(days=3))
    assert [(item.rule_id, item.channel, item.due_at) for item in wanted] == [
        (DAY_BEFORE.rule_id, Channel.EMAIL, START - timedelta(days=1)),
        (HOUR_BEFORE.rule_id, Channel.SMS, START - timedelta(hours=1)),
    ]


def test_a_time_that_has_passed_asks_for_none() -> None:
    wanted = reminders_for(UUID(int=7), 1, START, [DAY_BEFORE, HOUR_BEFORE], START - timedelta(hours=2))
    assert [item.rule_id for item in wanted] == [HOUR_BEFORE.rule_id]


def test_ids_are_the_same_for_the_same_version_and_new_for_another() -> None:
    now = START - timedelta(days=3)
    first = reminders_for(UUID(int=7), 1, START, [DAY_BEFORE], now)
    again = reminders_for(UUID(int=7), 1, START, [DAY_BEFORE], now)
    moved = reminders_for(UUID(int=7), 2, START, [DAY_BEFORE], now)
    assert first == again
    assert first[0].reminder_id != moved[0].reminder_id
