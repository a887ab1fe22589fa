"""Webhooks as a business's developer meets them: the routes, what its own server is sent, what is left of a crash.

The whole process, on a real Kafka: events as booking tells them, and notification's own about messages.
"""

import base64
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from contracts.booking import AppointmentCancelled, AppointmentEvent
from contracts.notification import MessageEvent
from contracts.platform import DeletionPolicy, TenantChanged, TenantState
from integration.notification.world import WEBHOOK_KEY, World
from servicekit.ids import new_id
from support.events import until
from support.receiver import Receiver, Reply, Webhook, verified

TABLES = ("webhook_endpoint", "webhook_secret", "webhook_delivery", "webhook_attempt")


@dataclass(frozen=True)
class Made:
    """An endpoint as the API made it."""

    tenant_id: UUID
    id: str
    path: str
    secret: str
    answer: dict[str, Any]


def endpoint(world: World, receiver: Receiver, tenant: TenantChanged, *events: str, query: str = "") -> Made:
    path = f"/{new_id().hex}{query}"
    body = {"url": f"{receiver.url}{path}", "events": list(events) or ["*"]}
    answer = world.hooks("POST", tenant.tenant_id, json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return Made(tenant.tenant_id, made["id"], path, made["secret"], made)


def received(receiver: Receiver, made: Made, count: int) -> list[Webhook]:
    """What came, once there are `count`; fails when there are more."""
    until(lambda: len(receiver.webhooks(made.path)) >= count, f"{count} webhooks")
    found = receiver.webhooks(made.path)
    assert len(found) == count
    return found


def deliveries(world: World, made: Made, **query: str) -> list[dict[str, Any]]:
    answer = world.hooks("GET", made.tenant_id, f"/{made.id}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def settled(world: World, made: Made, count: int) -> list[dict[str, Any]]:
    """Its deliveries, the newest first, once there are `count` and all are settled."""

    def found() -> list[dict[str, Any]] | None:
        items = deliveries(world, made)
        return items if len(items) == count and all(item["settled_at"] for item in items) else None

    return until(found, f"{count} deliveries are settled")


def test_a_booking_and_its_mail_are_told_once_each_and_signed(world: World, receiver: Receiver) -> None:
    salon = world.salon()
    made = endpoint(world, receiver, salon.tenant)
    booked = salon.booked()
    event_id = world.topics.publish(booked)
    world.topics.publish(booked, event_id=event_id)
    by_type = {item.headers["webhook-id"]: item for item in received(receiver, made, 2)}
    assert all(verified(made.secret, item) for item in by_type.values())
    told = {event["type"]: event for event in map(_json, by_type.values())}
    assert set(told) == {"appointment.booked", "message.sent"}
    assert AppointmentEvent.model_validate(told["appointment.booked"]["data"]).starts_at == booked.starts_at
    message = MessageEvent.model_validate(told["message.sent"]["data"])
    assert message.appointment_id == booked.appointment_id
    assert _json(by_type[event_id])["type"] == "appointment.booked"
    # Nothing of the person whom it is about.
    body = b"".join(item.body for item in by_type.values())
    for personal in (salon.email, "Ana", "+351912345678"):
        assert personal.encode() not in body


def _json(webhook: Webhook) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(webhook.body)
    assert set(told) == {"type", "timestamp", "data"}
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "before", "attempts"),
    [("webhook.claimed", 0, [204]), ("webhook.sending", 0, [None, 204]), ("webhook.sent", 1, [None, 204])],
)
def test_a_crash_repeats_a_webhook_under_the_same_id_at_most(
    world: World, receiver: Receiver, fault: str, before: int, attempts: list[int | None]
) -> None:
    """Killed after the claim, before the request and after it. The next process waits for the killed one's
    session at Kafka to end, and for the lease."""
    salon = world.salon()
    made = endpoint(world, receiver, salon.tenant, "appointment.booked")
    world.stop()
    running = world.start(fault=fault)
    event_id = world.topics.publish(salon.booked())
    assert running.process.wait(60) == -signal.SIGKILL
    assert len(receiver.webhooks(made.path)) == before
    world.stop()
    world.start()
    (delivery,) = settled(world, made, 1)
    webhooks = received(receiver, made, before + 1)
    assert {item.id for item in webhooks} == {event_id}
    assert all(verified(made.secret, item) for item in webhooks)
    assert delivery["status"] == "delivered"
    assert [item["http_status"] for item in delivery["attempts"]] == attempts
    assert [item["error"] for item in delivery["attempts"]][:-1] == ["Interrupted"] * (len(attempts) - 1)


def test_a_failure_is_seen_in_the_log_and_resent_by_hand(world: World, receiver: Receiver) -> None:
    salon = world.salon()
    made = endpoint(world, receiver, salon.tenant, "appointment.booked")
    receiver.answer(made.path, Reply(500, b"out of order"))
    event_id = world.topics.publish(salon.booked())

    def failed() -> dict[str, Any] | None:
        items = deliveries(world, made, status="queued")
        return items[0] if items and items[0]["attempts"] else None

    delivery = until(failed, "a failed attempt")
    assert delivery["webhook_id"] == event_id
    assert delivery["next_attempt_at"] is not None
    assert {item["http_status"] for item in delivery["attempts"]} == {500}
    receiver.answer(made.path, 204)
    path = f"/{made.id}/deliveries/{delivery['id']}"

    def resent() -> bool:
        """Refused while an attempt is under way."""
        answer = world.hooks("POST", made.tenant_id, f"{path}/resend")
        assert answer.status_code in {202, 409}, answer.text
        return answer.status_code == 202

    until(resent, "it is resent")
    (done,) = settled(world, made, 1)
    assert done["status"] == "delivered"
    detail = world.hooks("GET", made.tenant_id, path).json()
    assert detail["attempts"][0]["response"] == "out of order"
    assert detail["payload"].encode() == receiver.webhooks(made.path)[0].body


def test_a_server_that_says_gone_is_asked_no_more_and_its_endpoint_says_so(
    world: World, receiver: Receiver
) -> None:
    salon = world.salon()
    gone, other = (endpoint(world, receiver, salon.tenant, "appointment.booked") for _ in range(2))
    receiver.answer(gone.path, 410)
    world.topics.publish(salon.booked())
    settled(world, gone, 1)
    read = world.hooks("GET", gone.tenant_id, f"/{gone.id}")
    assert (read.json()["enabled"], read.json()["disabled_reason"]) == (False, "gone")
    assert world.hooks("POST", gone.tenant_id, f"/{gone.id}/test").status_code == 409
    world.topics.publish(salon.booked())
    received(receiver, other, 2)
    assert len(receiver.webhooks(gone.path)) == 1


def test_a_secret_is_answered_once_and_kept_sealed(world: World, receiver: Receiver) -> None:
    tenant = world.tenant()
    body = {"url": f"{receiver.url}/once", "events": ["*"], "description": "CRM"}
    key = {"Idempotency-Key": new_id().hex}
    first = world.hooks("POST", tenant.tenant_id, json=body, headers=key)
    again = world.hooks("POST", tenant.tenant_id, json=body, headers=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    secret = first.json()["secret"]
    assert again.json() == first.json() | {"secret": None}
    made_id = first.json()["id"]
    read = world.hooks("GET", tenant.tenant_id, f"/{made_id}")
    listed = world.hooks("GET", tenant.tenant_id)
    assert [item["id"] for item in listed.json()["items"]] == [made_id]
    key = {"Idempotency-Key": new_id().hex}
    rotated, repeated = (
        world.hooks("POST", tenant.tenant_id, f"/{made_id}/rotate-secret", headers=key) for _ in range(2)
    )
    assert (rotated.status_code, repeated.status_code) == (200, 200)
    assert rotated.json()["secret"] not in {secret, None}
    assert repeated.json() == rotated.json() | {"secret": None}
    shown = world.hooks("GET", tenant.tenant_id, f"/{made_id}").json()
    assert first.json()["old_secret_until"] is None
    assert shown["old_secret_until"] == rotated.json()["old_secret_until"]
    assert repeated.headers["Idempotent-Replayed"] == "true"
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    kept = [
        *world.rows("SELECT * FROM webhook_secret WHERE tenant_id = %s", tenant.tenant_id),
        *world.rows("SELECT * FROM webhook_endpoint WHERE tenant_id = %s", tenant.tenant_id),
        *world.rows("SELECT * FROM idempotency WHERE tenant_id = %s", tenant.tenant_id),
    ]
    assert len(kept) == 5, "two secrets, the endpoint, two answers"
    assert world.running is not None
    for text in (read.text, listed.text, str(kept), world.running.log.read_text("utf-8")):
        assert secret not in text
        assert rotated.json()["secret"] not in text
        assert WEBHOOK_KEY not in text
    assert all(raw not in bytes(row["sealed"]) for row in kept if "sealed" in row)


def test_logs_name_no_address(world: World, receiver: Receiver) -> None:
    salon = world.salon()
    made = endpoint(world, receiver, salon.tenant, "appointment.booked", query="?token=s3cr3t")
    receiver.answer(made.path, 500, 204)
    world.topics.publish(salon.booked())
    settled(world, made, 1)
    assert world.running is not None
    text = world.running.log.read_text("utf-8")
    assert "webhook not delivered" in text
    assert "s3cr3t" not in text
    assert made.path[:30] not in text


def test_an_edit_needs_the_version_that_it_starts_from(world: World, receiver: Receiver) -> None:
    made = endpoint(world, receiver, world.tenant())
    path = f"/{made.id}"
    assert world.hooks("PATCH", made.tenant_id, path, json={"enabled": False}).status_code == 428
    tag = world.hooks("GET", made.tenant_id, path).headers["ETag"]
    sent = {"If-Match": tag}
    events = ["message.sent", "message.failed"]
    change = {"events": events, "enabled": False, "description": "Off"}
    edited = world.hooks("PATCH", made.tenant_id, path, json=change, headers=sent)
    assert edited.status_code == 200
    assert (edited.json()["events"], edited.json()["description"]) == (events, "Off")
    assert (edited.json()["enabled"], edited.json()["disabled_reason"]) == (False, "owner")
    stale = world.hooks("PATCH", made.tenant_id, path, json={"enabled": True}, headers=sent)
    assert stale.status_code == 412
    fresh = {"If-Match": edited.headers["ETag"]}
    back = world.hooks("PATCH", made.tenant_id, path, json={"enabled": True}, headers=fresh)
    assert (back.json()["enabled"], back.json()["disabled_at"]) == (True, None)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "https://10.0.0.1/hooks"}, "/url"),
        ({"url": "https://169.254.169.254/latest"}, "/url"),
        ({"url": "https://[::1]/"}, "/url"),
        ({"url": "ftp://127.0.0.1/"}, "/url"),
        ({"url": "https://ada:pass@127.0.0.1/"}, "/url"),
        ({"url": "http://127.0.0.1/ hooks"}, "/url"),
        ({"url": "127.0.0.1"}, "/url"),
        ({"url": ""}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["appointment.lost"]}, "/events/0"),
        ({"events": ["*", "message.sent"]}, "/events"),
        ({"events": ["message.sent", "message.sent"]}, "/events"),
        ({"description": "x" * 201}, "/description"),
        ({"secret": "whsec_mine"}, "/secret"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused_by_field(
    world: World, receiver: Receiver, body: dict[str, Any], pointer: str
) -> None:
    tenant = world.tenant()
    given = {"url": f"{receiver.url}/x", "events": ["*"]} | body
    answer = world.hooks("POST", tenant.tenant_id, json=given)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert world.hooks("GET", tenant.tenant_id).json()["items"] == []


def test_an_endpoint_is_its_owners_alone(world: World, receiver: Receiver) -> None:
    salon = world.salon()
    made = endpoint(world, receiver, salon.tenant, "appointment.booked")
    world.topics.publish(salon.booked())
    (delivery,) = settled(world, made, 1)
    other = endpoint(world, receiver, world.tenant(), "appointment.booked")
    of_delivery = f"/{made.id}/deliveries/{delivery['id']}"
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"/{made.id}", {}),
        ("PATCH", f"/{made.id}", {"json": {"enabled": False}, "headers": {"If-Match": "*"}}),
        ("DELETE", f"/{made.id}", {}),
        ("POST", f"/{made.id}/rotate-secret", {}),
        ("POST", f"/{made.id}/test", {}),
        ("GET", f"/{made.id}/deliveries", {}),
        ("GET", of_delivery, {}),
        ("POST", f"{of_delivery}/resend", {}),
        ("GET", f"/{other.id}/deliveries/{delivery['id']}", {}),
    ]
    for method, path, sent in requests:
        answer = world.hooks(method, other.tenant_id, path, **sent)
        assert answer.status_code == 404, (method, path)
        for role in ("staff", "admin"):
            answer = world.hooks(method, made.tenant_id, path, role=role, **sent)
            assert answer.status_code == 403, (method, path)
    assert [item["id"] for item in world.hooks("GET", other.tenant_id).json()["items"]] == [other.id]
    assert receiver.webhooks(other.path) == []
    assert len(receiver.webhooks(made.path)) == 1


def test_there_are_ten_at_most_and_the_list_comes_in_pages(world: World, receiver: Receiver) -> None:
    """Of eight who add the tenth at once one does."""
    tenant = world.tenant()
    made = [endpoint(world, receiver, tenant).id for _ in range(9)]
    body = {"url": f"{receiver.url}/x", "events": ["*"]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.hooks("POST", tenant.tenant_id, json=body), range(8)))
    tenth, *refused = sorted(answers, key=lambda answer: answer.status_code)
    assert {(answer.status_code, answer.json().get("type")) for answer in refused} == {
        (409, "/problems/conflict")
    }
    made.append(tenth.json()["id"])
    first = world.hooks("GET", tenant.tenant_id, params={"limit": "6"})
    assert 'rel="next"' in first.headers["Link"]
    rest = world.hooks("GET", tenant.tenant_id, params={"cursor": first.json()["next_cursor"]}).json()
    assert [item["id"] for item in first.json()["items"] + rest["items"]] == made
    assert world.hooks("DELETE", tenant.tenant_id, f"/{made[0]}").status_code == 204
    assert world.hooks("POST", tenant.tenant_id, json=body).status_code == 201


def test_the_log_is_filtered_and_comes_in_pages(world: World, receiver: Receiver) -> None:
    salon = world.salon()
    made = endpoint(world, receiver, salon.tenant, "appointment.booked")
    for _ in range(3):
        world.topics.publish(salon.booked())
    received(receiver, made, 3)
    key = {"Idempotency-Key": "test-1"}
    asked = world.hooks("POST", made.tenant_id, f"/{made.id}/test", headers=key)
    assert asked.status_code == 201
    again = world.hooks("POST", made.tenant_id, f"/{made.id}/test", headers=key)
    assert again.json() == asked.json()
    settled(world, made, 4)
    assert [item["type"] for item in deliveries(world, made, type="webhook.test")] == ["webhook.test"]
    assert len(deliveries(world, made, type="appointment.booked", status="delivered")) == 3
    assert deliveries(world, made, status="failed") == []
    path = f"/{made.id}/deliveries"
    first = world.hooks("GET", made.tenant_id, path, params={"limit": "3"}).json()
    rest = world.hooks("GET", made.tenant_id, path, params={"cursor": first["next_cursor"]}).json()
    ids = [item["id"] for item in first["items"] + rest["items"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 4
    for query in ({"status": "lost"}, {"type": "lost"}, {"limit": "0"}):
        assert world.hooks("GET", made.tenant_id, path, params=query).status_code == 422


def test_what_happens_at_a_suspended_business_is_told_but_nothing_is_changed(
    world: World, receiver: Receiver
) -> None:
    salon = world.salon()
    made = endpoint(world, receiver, salon.tenant, "appointment.cancelled")
    suspended = salon.tenant.model_copy(update={"state": TenantState.SUSPENDED, "generation": 2})
    world.topics.publish(suspended)
    world.answer(suspended)
    world.topics.publish(salon.event(AppointmentCancelled))
    received(receiver, made, 1)
    body = {"url": f"{receiver.url}/x", "events": ["*"]}
    refused = world.hooks("POST", made.tenant_id, json=body)
    assert refused.json()["type"] == "/problems/tenant-suspended"
    assert world.hooks("POST", made.tenant_id, f"/{made.id}/rotate-secret").status_code == 403
    assert world.hooks("GET", made.tenant_id, f"/{made.id}").status_code == 200
    assert world.hooks("DELETE", made.tenant_id, f"/{made.id}").status_code == 204


def test_a_plan_without_webhooks_takes_no_endpoint(world: World, receiver: Receiver) -> None:
    tenant = world.tenant(features={"webhooks": False})
    body = {"url": f"{receiver.url}/x", "events": ["*"]}
    refused = world.hooks("POST", tenant.tenant_id, json=body)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/quota-exceeded")
    assert refused.json()["metric"] == "webhooks"


@pytest.mark.parametrize("policy", list(DeletionPolicy))
def test_of_a_business_that_leaves_nothing_is_sent_or_kept(
    world: World, receiver: Receiver, policy: DeletionPolicy
) -> None:
    """Of one whose rows are kept, what is left is for the sweeps (test_webhook_deletion.py)."""
    salon, other = world.salon(), world.salon()
    made = endpoint(world, receiver, salon.tenant, "appointment.booked")
    kept = endpoint(world, receiver, other.tenant, "appointment.booked")
    receiver.answer(made.path, 500)
    world.topics.publish(salon.booked())
    received(receiver, made, 1)
    fields = {"state": TenantState.DELETING, "deletion_policy": policy, "generation": 2}
    gone = salon.tenant.model_copy(update=fields)
    world.topics.publish(gone)
    status = world.answer(gone)

    def left() -> dict[str, int]:
        counts = {
            table: len(world.rows(f"SELECT 1 FROM {table} WHERE tenant_id = %s", salon.tenant.tenant_id))
            for table in TABLES
        }
        shown = "SELECT 1 FROM webhook_endpoint WHERE tenant_id = %s AND deleted_at IS NULL"
        return counts | {"webhook_endpoint": len(world.rows(shown, salon.tenant.tenant_id))}

    there = left()
    assert there["webhook_endpoint"] == there["webhook_secret"] == 0
    if policy is DeletionPolicy.DELETE:
        assert set(there.values()) == {0}
    erased = status.details.erased or {}
    assert ("webhook_endpoint" in erased) is (policy is DeletionPolicy.DELETE)
    assert world.hooks("GET", salon.tenant.tenant_id).status_code == 404
    late = world.topics.publish(salon.booked())
    until(
        lambda: world.rows(
            "SELECT 1 FROM inbox WHERE event_id = %s AND consumer = 'notification.webhooks'", late
        ),
        "the late event is passed over",
    )
    world.topics.publish(other.booked())
    received(receiver, kept, 1)
    assert all(left()[table] <= there[table] for table in TABLES)


@pytest.mark.slow
def test_without_its_key_the_platform_says_that_it_has_no_webhooks(world: World, receiver: Receiver) -> None:
    """Started anew, twice; and what mails a business sends goes on."""
    salon = world.salon()
    world.stop()
    try:
        running = world.start(without="webhook_key")
        body = {"url": f"{receiver.url}/x", "events": ["*"]}
        refused = world.hooks("POST", salon.tenant.tenant_id, json=body)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/webhooks-off")
        assert world.hooks("GET", salon.tenant.tenant_id).json()["items"] == []
        world.topics.publish(salon.booked())
        world.mails(salon, 1)
        assert "SLOTWRIGHT_WEBHOOK_KEY" in running.log.read_text("utf-8")
    finally:
        world.stop()
        world.start()


def test_a_webhook_that_lies_before_its_looks_is_sent_by_a_process_that_looks_back(
    world: World, receiver: Receiver
) -> None:
    salon = world.salon()
    made = endpoint(world, receiver, salon.tenant, "appointment.booked")
    world.topics.publish(salon.booked())
    settled(world, made, 1)
    world.rows(
        "UPDATE webhook_delivery SET status = 'queued', settled_at = NULL,"
        " next_attempt_at = now() - interval '1 hour' WHERE tenant_id = %s RETURNING 1",
        salon.tenant.tenant_id,
    )
    received(receiver, made, 2)
