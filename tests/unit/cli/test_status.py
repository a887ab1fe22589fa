"""`kubectl slotwright status`: the table, the tree, and both JSON forms."""

import pytest

from kubectl_slotwright import status
from kubectl_slotwright.objects import Event, Tenant, tenant_of
from kubectl_slotwright.screen import Screen
from unit.cli.surroundings import UID, body, condition, provisioned, tenant

PLAIN = Screen()


def event(number: int, reason: str = "Provisioned") -> Event:
    return Event(f"2026-03-09T10:00:{number:02}.000000Z", "Normal", reason, f"Number {number}.", {})


def test_a_tree_shows_under_each_condition_what_was_provisioned() -> None:
    stream = provisioned()["eventStream"] | {"partitions": 3, "retentionHours": 168}
    lines = status.one_text(tenant(status=provisioned(eventStream=stream)), [event(1)], PLAIN)
    assert lines == [
        "Tenant riverside: Riverside Barbers, plan pro",
        "├─ ✓ Ready               True   Provisioned  Every component serves this business.",
        "│    generation  2, which this status is about",
        "├─ ✓ Reconciling         False  Provisioned  Every component serves this business.",
        "├─ ✓ Stalled             False  Provisioned  Every component serves this business.",
        "├─ ✓ BusinessRegistered  True   Done         It is done.",
        "│    url        https://book.example/b/riverside",
        f"│    tenant id  {UID}",
        "├─ ✓ OwnerInvited        True   Done         It is done.",
        "├─ ✓ TopicsReady         True   Done         It is done.",
        "│    topic               tenant.riverside.events.v1",
        "│    dead-letter topic   tenant.riverside.dlq.v1",
        "│    Secret              tenant-riverside-kafka",
        "│    Secret's namespace  slotwright-tenants",
        "│    partitions          3",
        "│    retention, hours    168",
        "├─ ✓ BillingLinked       True   Done         It is done.",
        "│    customer      cus_1",
        "│    subscription  sub_1",
        "│    state         trialing",
        "├─ ✓ QuotaPublished      True   Done         It is done.",
        "│    record generation  3",
        "│    bookingsPerMonth   2000",
        "│    staff              5",
        "└─ Events",
        "     2026-03-09T10:00:01Z  Normal  Provisioned  Number 1.",
    ]


def test_a_tenant_that_nobody_has_looked_at_says_so_and_lists_what_is_missing() -> None:
    fresh = tenant(status={})
    lines = status.one_text(fresh, [], PLAIN)
    assert "? Ready" in lines[1]
    assert "is it running?" in lines[1]
    assert lines[2].endswith("2, which the operator has not seen yet")
    assert sum("NotSeen" in line for line in lines) == 8
    assert lines[-1] == "└─ Events: none within the last hour"
    assert not status.is_ready(fresh)


def test_a_status_about_an_earlier_spec_is_not_ready() -> None:
    stale = tenant(status=provisioned(observedGeneration=1))
    assert stale.ready.status == "True"
    assert not status.is_ready(stale)
    assert "2; this status is still about 1" in "\n".join(status.one_text(stale, [], PLAIN))


def test_what_stalls_is_marked_and_what_is_false_is_not_good() -> None:
    conditions = [
        condition("Ready", "False", "PlanNotFound", "There is no Plan named pro."),
        condition("Stalled", "True", "PlanNotFound", "There is no Plan named pro."),
    ]
    lines = status.one_text(tenant(status=provisioned(conditions=conditions)), [], PLAIN)
    assert "✗ Ready" in lines[1]
    assert any("✗ Stalled" in line for line in lines)


def test_a_condition_of_a_newer_operator_is_shown_too() -> None:
    conditions = [*provisioned()["conditions"], condition("BackupTaken", "True", "Done", "Last night.")]
    lines = status.one_text(tenant(status=provisioned(conditions=conditions)), [], PLAIN)
    assert any("BackupTaken" in line and "Last night." in line for line in lines)


def test_the_last_events_come_in_their_order() -> None:
    told = status.one_json(tenant(), [event(number) for number in reversed(range(20))])["events"]
    assert [item["message"] for item in told] == [f"Number {number}." for number in range(10, 20)]


def test_a_message_cannot_steer_the_terminal() -> None:
    evil = condition("Ready", "False", "Refused", "one\x1b[2J\ntwo\x9b3;1H")
    lines = status.one_text(
        tenant(status=provisioned(conditions=[evil]), displayName="R\x07iver\u202eside"),
        [],
        Screen(colour=False),
    )
    assert not any(char in line for line in lines for char in "\x1b\x07\x9b\u202e")
    assert "one [2J two" in lines[1]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    lines = status.one_text(tenant(), [event(1)], Screen(unicode=False))
    assert all(line.isascii() for line in lines)


def test_colour_does_not_break_the_alignment() -> None:
    plain = status.one_text(tenant(), [], PLAIN)
    coloured = status.one_text(tenant(), [], Screen(colour=True))
    assert coloured != plain
    from click import unstyle

    assert [unstyle(line).rstrip() for line in coloured] == plain


def test_the_form_of_one_tenant() -> None:
    found = status.one_json(tenant(), [event(1)])
    assert set(found) == {
        "name",
        "displayName",
        "tenantId",
        "plan",
        "ready",
        "reason",
        "message",
        "paused",
        "deletedAt",
        "generation",
        "observedGeneration",
        "current",
        "conditions",
        "events",
    }
    by_type = {item["type"]: item for item in found["conditions"]}
    assert by_type["TopicsReady"]["details"] == provisioned()["eventStream"]
    assert by_type["BillingLinked"]["details"] == provisioned()["billing"]
    assert by_type["QuotaPublished"]["details"] == {
        "recordGeneration": 3,
        "limits": {"bookingsPerMonth": 2000, "staff": 5},
    }
    assert (found["current"], found["paused"], found["deletedAt"]) == (True, False, None)


def test_the_id_is_the_one_that_a_business_had_before_its_object_was_made_anew() -> None:
    assert status.one_json(tenant(), [])["tenantId"] == UID
    before = "0195b3a0-0000-7000-8000-00000000000f"
    assert status.one_json(tenant(tenantId=before), [])["tenantId"] == before


def test_the_table_and_form_of_all() -> None:
    other = body(status={})
    other["metadata"] = {"name": "a", "uid": "2"}
    found = [tenant_of(other), tenant()]
    assert status.rows_text(found, PLAIN) == [
        "NAME       READY    REASON       PLAN  BILLING   BOOKINGS",
        "a          Unknown  NotSeen      pro   -         -",
        "riverside  True     Provisioned  pro   trialing  12/2000",
    ]
    assert status.rows_json(found)["tenants"][1] == {
        "name": "riverside",
        "ready": "True",
        "reason": "Provisioned",
        "current": True,
        "plan": "pro",
        "billing": "trialing",
        "bookings": "12/2000",
    }


def test_no_tenants() -> None:
    assert status.rows_text([], PLAIN) == ["There are no tenants."]


@pytest.mark.parametrize("policy", ["paused", "deleted"])
def test_paused_and_deleted_are_said(policy: str) -> None:
    given = body()
    if policy == "paused":
        given["metadata"]["annotations"] = {"slotwright.io/paused": "true"}
    else:
        given["metadata"]["deletionTimestamp"] = "2026-03-09T10:00:00Z"
    found: Tenant = tenant_of(given)
    form = status.one_json(found, [])
    assert (form["paused"], form["deletedAt"] is not None) == (policy == "paused", policy == "deleted")
    assert ("being deleted since 2026" in status.one_text(found, [], PLAIN)[0]) == (policy == "deleted")
