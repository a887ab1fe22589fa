"""Which event tells of a change, and which subscription counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from billing.domain import FetchedSubscription, Subscription, current, event_for, trial_left
from contracts.billing import (
    SubscriptionActivated,
    SubscriptionCanceled,
    SubscriptionChanged,
    SubscriptionPastDue,
)

TRIALING = Subscription(
    subscription_id="sub_1",
    status="trialing",
    plan="pro",
    price_id="price_1",
    current_period_end=datetime(2027, 1, 1, tzinfo=UTC),
    trial_end=datetime(2027, 1, 1, tzinfo=UTC),
    cancel_at_period_end=False,
)


def _in(status: str) -> Subscription:
    return replace(TRIALING, status=status)


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (None, "trialing", SubscriptionActivated),
        (None, "active", SubscriptionActivated),
        (None, "incomplete", SubscriptionChanged),
        (None, "canceled", SubscriptionCanceled),
        ("incomplete", "active", SubscriptionActivated),
        ("incomplete", "incomplete_expired", SubscriptionCanceled),
        ("trialing", "active", SubscriptionChanged),
        ("trialing", "past_due", SubscriptionPastDue),
        ("active", "unpaid", SubscriptionPastDue),
        ("past_due", "active", SubscriptionActivated),
        ("active", "paused", SubscriptionChanged),
        ("paused", "active", SubscriptionActivated),
        ("past_due", "canceled", SubscriptionCanceled),
        ("active", "active", None),
        ("canceled", "canceled", None),
    ],
)
def test_the_event_of_a_change(before: str | None, after: str, event: type | None) -> None:
    assert event_for(_in(before) if before else None, _in(after)) is event


@pytest.mark.parametrize("status", ["trialing", "past_due", "incomplete"])
@pytest.mark.parametrize("changed", [{"price_id": "price_2"}, {"cancel_at_period_end": True}])
def test_a_change_within_a_status_is_just_a_change(status: str, changed: dict[str, object]) -> None:
    before = _in(status)
    assert event_for(before, replace(before, **changed)) is SubscriptionChanged  # type: ignore[arg-type]  # fields by name


def _fetched(key: str, status: str) -> FetchedSubscription:
    stored = replace(TRIALING, subscription_id=key, status=status)
    return FetchedSubscription(stored, "t", "si_1", False, False, None)


def test_the_linked_one_counts_while_it_lives_then_the_newest_that_lives() -> None:
    new, old = _fetched("sub_new", "active"), _fetched("sub_old", "trialing")
    ended = _fetched("sub_old", "canceled")
    assert current("sub_old", [new, old]) is old
    assert current("sub_old", [new, ended]) is new
    assert current("sub_old", [_fetched("sub_new", "canceled"), ended]) is ended
    assert current(None, [new, old]) is new
    assert current(None, []) is None
    assert current(None, [ended]) is None


@pytest.mark.parametrize(
    ("days", "trial_end", "left"),
    [
        (14, None, 14),  # there was none
        (14, timedelta(days=-1), 0),
        (14, timedelta(days=2, hours=1), 3),
        (1, timedelta(days=2), 1),
        (0, timedelta(days=2), 0),
    ],
)
def test_a_trial_is_had_once(days: int, trial_end: timedelta | None, left: int) -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    earlier = _fetched("sub_1", "canceled")
    stored = replace(earlier.stored, trial_end=None if trial_end is None else now + trial_end)
    assert trial_left(days, [replace(earlier, stored=stored)], now) == left
    assert trial_left(days, [], now) == days
