"""`kubectl slotwright plan diff`: the operator's own rules, told as differences."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from kubectl_slotwright import plan_diff
from kubectl_slotwright.objects import plan_of, tenant_of
from kubectl_slotwright.screen import Screen
from tenant_operator import entitlements
from tenant_operator.domain import parse_plan, parse_tenant
from unit.cli.surroundings import UID, body, plan, provisioned, tenant
from web import money

PLAIN = Screen()
ROOT = Path(__file__).parents[3]

LIMITS = st.dictionaries(st.sampled_from(plan_diff.LIMIT_NAMES), st.integers(0, 5000))
STREAM = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "partitions": st.integers(1, 16),
        "retentionHours": st.integers(1, 8760),
    },
)
STATE = st.sampled_from(
    ["active", "past_due", "trialing", "canceled", "unpaid", "incomplete_expired", "paused", None]
)


def objects(
    own_limits: dict[str, int],
    own_stream: dict[str, Any],
    plan_limits: dict[str, int],
    plan_stream: dict[str, Any],
    state: str | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A Tenant and a Plan as the API server would give them."""
    price = {"amount": 2900, "currency": "EUR", "interval": "month"}
    a_plan = {"displayName": "Pro", "price": price, "limits": plan_limits, "eventStream": plan_stream}
    a_tenant = body(
        status={"billing": {"state": state} if state else {}},
        owner={"email": "ada@riverside.example", "name": "Ada"},
        timezone="Europe/Lisbon",
        currency="EUR",
        limits=own_limits,
        eventStream=own_stream,
    )
    return a_tenant, {"metadata": {"name": "pro", "uid": UID}, "spec": a_plan}


@settings(deadline=None, derandomize=True)
@given(own=LIMITS, own_stream=STREAM, of_plan=LIMITS, plan_stream=STREAM, state=STATE)
def test_limits_and_stream_are_those_that_the_operator_would_publish(
    own: dict[str, int],
    own_stream: dict[str, Any],
    of_plan: dict[str, int],
    plan_stream: dict[str, Any],
    state: str | None,
) -> None:
    a_tenant, a_plan = objects(own, own_stream, of_plan, plan_stream, state)
    theirs = parse_tenant(a_tenant), parse_plan(a_plan).spec
    ours = tenant_of(a_tenant), plan_of(a_plan)
    published = entitlements.limits(*theirs, state).model_dump(exclude_none=True)
    assert plan_diff.limits(*ours) == {to_camel(name): limit for name, limit in published.items()}
    wanted, stream = entitlements.wanted_stream(*theirs), plan_diff.wanted_stream(*ours)
    assert stream.enabled == (wanted is not None)
    if wanted is not None:
        assert (stream.partitions, stream.retention_hours) == (wanted.partitions, wanted.retention_hours)


@settings(deadline=None, derandomize=True)
@given(own=LIMITS, own_stream=STREAM, old=LIMITS, new=LIMITS, old_stream=STREAM, new_stream=STREAM)
def test_partitions_never_fall_and_overrides_do_not_change(
    own: dict[str, int],
    own_stream: dict[str, Any],
    old: dict[str, int],
    new: dict[str, int],
    old_stream: dict[str, Any],
    new_stream: dict[str, Any],
) -> None:
    found = plan_diff.diff(
        tenant(limits=own, eventStream=own_stream),
        plan("pro", limits=old, eventStream=old_stream),
        plan("team", limits=new, eventStream=new_stream),
    )
    was, will = found.streams
    if was.enabled and will.enabled:
        assert will.partitions >= was.partitions
    assert all(old_limit == new_limit for name, old_limit, new_limit in found.limits if name in own)
    after = {name: limit for name, _old, limit in found.limits}
    for item in found.exceeded:
        assert item.used > item.allowed == after[item.limit]


def test_the_whole_preview() -> None:
    found = plan_diff.diff(
        tenant(limits={"staff": 9}, billing={"mode": "Manual"}),
        plan("pro", features={"sms": True, "api": True}, eventStream={"partitions": 3}),
        plan(
            "solo",
            price={"amount": 900, "currency": "EUR", "interval": "year"},
            limits={"bookingsPerMonth": 10, "staff": 1},
            features={"sms": False, "widget": True, "api": True},
            eventStream={"partitions": 1, "retentionHours": 24},
        ),
    )
    assert plan_diff.to_text(found, PLAIN) == [
        "Tenant riverside: pro to solo. Nothing has been changed.",
        "",
        "                   pro                      solo",
        "price              29.00 EUR a month        9.00 EUR a year",
        "bookingsPerMonth   2000                     10",
        "staff              9                        9                       the tenant's own",
        "services           unlimited                unlimited",
        "emailsPerMonth     unlimited                unlimited",
        "smsPerMonth        unlimited                unlimited",
        "requestsPerMinute  unlimited                unlimited",
        "feature api        yes                      yes",
        "feature sms        yes                      no",
        "feature widget     no                       yes",
        "event stream       3 partitions, 168 hours  3 partitions, 24 hours",
        "",
        "bookingsPerMonth: 12 used now, 10 allowed then.",
        "It is billed outside the platform (billing.mode Manual): the price is for you to charge.",
        "Its topics keep 3 partitions, as Kafka cannot merge them into 1: the tenant will be Stalled"
        " (PartitionsCannotShrink) until its spec.eventStream.partitions is 3.",
        "Events older than 24 hours will be removed from its topic.",
    ]
    form = plan_diff.to_json(found)
    assert form["plan"] == {"old": "pro", "new": "solo"}
    assert form["price"]["new"] == {"amount": 900, "currency": "EUR", "interval": "year"}
    assert form["limits"][1] == {"limit": "staff", "old": 9, "new": 9, "overridden": True}
    assert form["limits"][2] == {"limit": "services", "old": None, "new": None, "overridden": False}
    assert form["exceeded"] == [{"limit": "bookingsPerMonth", "used": 12, "allowed": 10}]
    assert form["eventStream"]["new"] == {"enabled": True, "partitions": 3, "retentionHours": 24}
    assert set(form) == {
        "tenant", "plan", "price", "limits", "features", "eventStream", "exceeded", "notes"
    }  # fmt: skip


def test_a_stream_that_goes_takes_its_events_along() -> None:
    found = plan_diff.diff(tenant(), plan(), plan("free", eventStream={"enabled": False}))
    assert "Its topics will be removed, with what is in them." in found.notes
    assert found.streams[1].as_json() == {"enabled": False, "partitions": None, "retentionHours": None}


def test_the_present_partitions_are_those_of_the_status_where_it_has_them() -> None:
    stream = provisioned()["eventStream"] | {"partitions": 6, "retentionHours": 168}
    found = plan_diff.diff(tenant(status=provisioned(eventStream=stream)), plan(), plan("team"))
    assert [each.partitions for each in found.streams] == [6, 6]


def test_a_present_plan_that_is_gone_is_said_and_what_is_in_force_is_compared() -> None:
    found = plan_diff.diff(tenant(), None, plan("team"))
    assert ("bookingsPerMonth", 2000, 2000) in found.limits
    assert any("does not exist" in note for note in found.notes)
    assert plan_diff.to_json(found)["price"]["old"] is None


def test_a_feature_that_a_plan_does_not_name_is_there_if_services_give_it() -> None:
    silent, without = plan("pro"), plan("solo", features={"sms": False, "api": True})
    assert plan_diff.diff(tenant(), silent, without).features == (("api", False, True), ("sms", True, False))
    assert plan_diff.diff(tenant(), without, silent).features == (("api", True, False), ("sms", False, True))


def test_the_features_that_services_give_are_those_that_they_ask_for() -> None:
    asked = re.compile(r"features\.get\(\"(\w+)\", True\)")
    sources = (ROOT / "services").glob("*/src/**/*.py")
    assert {name for path in sources for name in asked.findall(path.read_text("utf-8"))} == plan_diff.GIVEN


def test_features_in_force_are_compared_when_the_present_plan_is_gone() -> None:
    found = plan_diff.diff(tenant(), None, plan("team", features={"sms": True}))
    assert found.features == (("sms", True, True),)
    before = {"limits": {}, "features": {"sms": False, "api": True}}
    found = plan_diff.diff(tenant(status=provisioned(entitlements=before)), None, plan("team"))
    assert found.features == (("api", True, False), ("sms", False, True))


def test_an_ended_subscription_takes_no_bookings_on_any_plan() -> None:
    ended = tenant(status=provisioned(billing={"state": "canceled"}))
    found = plan_diff.diff(ended, plan(), plan("team"))
    assert found.limits[0] == ("bookingsPerMonth", 0, 0)
    assert [item.limit for item in found.exceeded] == ["bookingsPerMonth"]
    assert any("canceled" in note for note in found.notes)


def test_a_plan_that_is_being_deleted_takes_no_tenants() -> None:
    going = plan_of(
        {"metadata": {"name": "team", "deletionTimestamp": "2026-03-09T10:00:00Z"}, "spec": plan("team").spec}
    )
    assert any("PlanGoing" in note for note in plan_diff.diff(tenant(), plan(), going).notes)
    assert not any("PlanGoing" in note for note in plan_diff.diff(tenant(), plan(), plan("team")).notes)


@pytest.mark.parametrize(
    ("currency", "text"),
    [("JPY", "29000 JPY"), ("EUR", "290.00 EUR"), ("KWD", "29.000 KWD"), ("UGX", "290.00 UGX")],
)
def test_currencies_with_other_minor_units_than_hundredths(currency: str, text: str) -> None:
    new = plan("team", price={"amount": 29000, "currency": currency, "interval": "month"})
    lines = plan_diff.to_text(plan_diff.diff(tenant(), plan(), new), PLAIN)
    assert f"{text} a month" in "\n".join(lines)


def test_an_unknown_plan_names_those_that_there_are() -> None:
    assert plan_diff.unknown_plan("gold", [plan("pro"), plan("team")]) == (
        "There is no plan named gold; there are: pro, team."
    )
    assert plan_diff.unknown_plan("gold", []) == "There are no plans yet; create one."


def test_currencies_without_digits_after_the_point_are_those_of_the_pages() -> None:
    assert plan_diff._ZERO_DECIMAL == money._ZERO_DECIMAL
