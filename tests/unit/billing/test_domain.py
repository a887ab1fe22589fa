"""Which event tells of a change, and which subscription counts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from billing.domain import FetchedSubscription, Subscription, current, event_for
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
    return FetchedSubscription(stored, "t", "si_1", False, None)


def test_the_linked_one_counts_while_it_lives_then_the_newest_that_lives() -> None:
    new, old = _fetched("sub_new", "active"), _fetched("sub_old", "trialing")
    ended = _fetched("sub_old", "canceled")
    assert current("sub_old", [new, old]) is old
    assert current("sub_old", [new, ended]) is new
    assert current("sub_old", [_fetched("sub_new", "canceled"), ended]) is ended
    assert current(None, [new, old]) is new
    assert current(None, []) is None
    assert current(None, [ended]) is None
