"""The list of messages: what it shows to whom; the operator's protocol; the erasure of a person."""

from datetime import timedelta

import pytest

from contracts.booking import Channel
from contracts.business import CatalogEvent, HolidaysChanged, PolicyChanged
from contracts.notification import MessageSuppressed
from contracts.platform import DeletionPolicy, TenantState
from integration.notification.world import Salon, World, in_a
from servicekit.ids import new_id
from support.events import until

TABLES = ("appointment", "customer", "catalog_name", "message", "mock_sms")


def busy(world: World) -> Salon:
    """A business with an appointment, a mail sent and a text message kept."""
    salon = world.salon()
    booked = salon.booked()
    world.topics.publish(booked)
    world.topics.publish(salon.due(booked, channel=Channel.SMS))
    world.settled(salon, 2)
    return salon


def left(world: World, salon: Salon) -> dict[str, int]:
    count = "SELECT count(*) AS n FROM {} WHERE tenant_id = %s"
    return {table: world.rows(count.format(table), salon.tenant.tenant_id)[0]["n"] for table in TABLES}


def test_each_business_sees_its_own_messages_only(world: World) -> None:
    ours, theirs = busy(world), busy(world)
    mine = world.get(ours.tenant.tenant_id).json()["items"]
    other = world.get(theirs.tenant.tenant_id).json()["items"]
    assert len(mine) == len(other) == 2
    assert not {item["id"] for item in mine} & {item["id"] for item in other}
    assert world.get(ours.tenant.tenant_id, f"/{other[0]['id']}").status_code == 404
    foreign = world.get(ours.tenant.tenant_id, appointment_id=other[0]["appointment_id"])
    assert foreign.json()["items"] == []


def test_staff_see_masked_addresses_and_the_platforms_own_people_nothing(world: World) -> None:
    salon = busy(world)
    tenant_id = salon.tenant.tenant_id
    whole = {item["recipient"] for item in world.get(tenant_id).json()["items"]}
    assert whole == {salon.email, "+351912345678"}
    shown = {item["recipient"] for item in world.get(tenant_id, role="staff").json()["items"]}
    assert shown == {f"{salon.email[0]}***@riverside.example", "+351*******78"}
    assert world.get(tenant_id, role="admin").status_code == 403
    assert world.running is not None
    assert world.http.get(f"{world.running.url}/v1/messages").status_code == 401


def test_the_list_is_filtered_and_comes_in_pages(world: World) -> None:
    salon = world.salon()
    appointments = [salon.booked() for _ in range(3)]
    for booked in appointments:
        world.topics.publish(booked)
    world.settled(salon, 3)
    tenant_id = salon.tenant.tenant_id
    first = world.get(tenant_id, limit="2")
    assert 'rel="next"' in first.headers["Link"]
    rest = world.get(tenant_id, limit="2", cursor=first.json()["next_cursor"]).json()
    ids = [item["id"] for item in first.json()["items"] + rest["items"]]
    assert len(ids) == len(set(ids)) == 3
    assert ids == sorted(ids, reverse=True)
    assert rest["next_cursor"] is None
    of_one = world.get(tenant_id, appointment_id=str(appointments[0].appointment_id)).json()["items"]
    assert len(of_one) == 1
    assert len(world.get(tenant_id, status="sent", channel="email").json()["items"]) == 3
    assert world.get(tenant_id, status="failed").json()["items"] == []


@pytest.mark.parametrize(
    ("path", "query", "pointer"),
    [
        ("", {"status": "lost"}, "?status"),
        ("", {"channel": "pigeon"}, "?channel"),
        ("", {"appointment_id": "x"}, "?appointment_id"),
        ("", {"cursor": "%%%"}, "?cursor"),
        ("", {"limit": "0"}, "?limit"),
        ("/x", {}, "path:message_id"),
    ],
)
def test_what_cannot_be_asked_is_a_problem_that_names_the_field(
    world: World, path: str, query: dict[str, str], pointer: str
) -> None:
    tenant = world.tenant()
    answer = world.get(tenant.tenant_id, path, **query)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert world.get(tenant.tenant_id, f"/{new_id()}").status_code == 404


def test_tombstones_of_a_whole_catalog_are_understood(world: World) -> None:
    """business writes them when it erases one of whose end notification may not have heard yet."""
    salon = world.salon()
    tenant_id = salon.tenant.tenant_id
    of_no_use: list[CatalogEvent] = [
        HolidaysChanged(tenant_id=tenant_id, version=1, days=[]),
        PolicyChanged(tenant_id=tenant_id, version=1, rules=[]),
    ]
    buried = [world.erase(record) for record in (salon.service, salon.staff, *of_no_use)]
    understood = "SELECT count(*) AS n FROM inbox WHERE event_id = ANY(%s)"
    until(lambda: world.rows(understood, buried)[0]["n"] == len(buried), "each has its effect")
    assert world.rows("SELECT 1 FROM catalog_name WHERE tenant_id = %s", tenant_id) == []


def test_the_tombstone_of_a_customer_erases_the_person(world: World) -> None:
    salon = busy(world)
    world.erase(salon.customer)

    def erased() -> bool:
        (row,) = world.rows(
            "SELECT erased, name, email, phone FROM customer WHERE tenant_id = %s", salon.tenant.tenant_id
        )
        return row == {"erased": True, "name": "", "email": None, "phone": None}

    until(erased, "the person is erased")
    assert [row["recipient"] for row in world.messages(salon)] == [None, None]
    assert left(world, salon)["mock_sms"] == 0
    # Nothing is sent to them any more, though an older record should come again.
    world.consumed(world.topics.publish(salon.customer))
    assert erased()
    world.topics.publish(salon.booked())
    world.settled(salon, 3)
    told = [event for event in world.outcomes(salon, 3) if isinstance(event, MessageSuppressed)]
    assert [event.reason for event in told] == ["erased"]
    assert len(world.post.mails(salon.email)) == 1


def test_a_deleted_business_is_erased_and_the_rows_are_counted(world: World) -> None:
    salon, other = busy(world), busy(world)
    before = left(world, other)
    fields = {"state": TenantState.DELETING, "deletion_policy": DeletionPolicy.DELETE, "generation": 2}
    gone = salon.tenant.model_copy(update=fields)
    world.topics.publish(gone)
    status = world.answer(gone)
    assert status.state == "deleted"
    assert status.details.erased is not None
    assert status.details.erased["message"] == 2
    assert set(left(world, salon).values()) == {0}
    assert world.get(salon.tenant.tenant_id).status_code == 404
    late = [salon.booked(), salon.customer, salon.service]
    world.consumed(*[world.topics.publish(event) for event in late])
    assert set(left(world, salon).values()) == {0}
    assert left(world, other) == before


def test_a_retained_business_keeps_its_rows_and_writes_to_nobody(world: World) -> None:
    salon = busy(world)
    unknown = Salon(salon.tenant)
    world.consumed(world.topics.publish(unknown.booked(starts_at=in_a(timedelta(days=3)))))
    fields = {"state": TenantState.DELETING, "deletion_policy": DeletionPolicy.RETAIN, "generation": 2}
    gone = salon.tenant.model_copy(update=fields)
    world.topics.publish(gone)
    status = world.answer(gone)
    assert status.state == "deleted"
    assert status.details.archived is not None
    assert status.details.archived["message"] == 3
    assert {row["status"] for row in world.messages(salon)} == {"sent", "suppressed"}
    assert world.get(salon.tenant.tenant_id).status_code == 404


def test_a_message_that_lies_before_its_looks_is_sent_by_a_process_that_looks_back(world: World) -> None:
    salon = world.salon()
    world.topics.publish(salon.booked())
    world.settled(salon, 1)
    world.rows(
        "UPDATE message SET status = 'queued', settled_at = NULL, next_attempt_at = now() - interval '1 hour'"
        " WHERE tenant_id = %s RETURNING 1",
        salon.tenant.tenant_id,
    )
    world.mails(salon, 2)
