"""The audit trail of what is laid down about messages and webhooks, over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr

from contracts.booking import Channel
from contracts.platform import DeletionPolicy, TenantChanged, TenantState
from integration.notification.world import LINK_KEY, World
from notification.suppression import digest_of
from servicekit.ids import new_id
from servicekit.links import Subscription, UnsubscribeLinks
from support.receiver import Receiver

MAIL = "/v1/message-templates/booked/email/en"
SMS = "/v1/message-templates/reminder/sms/pt"
HOURS = "/v1/quiet-hours"
LIST = "/v1/suppressions"
HOOKS = "/v1/webhook-endpoints"


@pytest.fixture
def tenant(world: World) -> TenantChanged:
    return world.tenant()


def trail(world: World, tenant: TenantChanged, **query: Any) -> list[dict[str, Any]]:
    answer = world.ask(tenant.tenant_id, "GET", "/v1/messages/audit", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def done(world: World, tenant: TenantChanged | None, method: str, path: str, **sent: Any) -> dict[str, Any]:
    """Whatever is asked for, granted."""
    answer = world.ask(tenant.tenant_id if tenant else None, method, path, **sent)
    assert answer.is_success, answer.text
    told = answer.content and answer.headers["Content-Type"].startswith("application/json")
    found: dict[str, Any] = answer.json() if told else {}
    return found


def nowhere(world: World, *secrets: str) -> None:
    """None of these is in any entry, in whatever column."""
    for secret in secrets:
        assert world.rows("SELECT 1 FROM audit_entry t WHERE t::text ILIKE %s", f"%{secret}%") == [], secret


def test_words_that_are_laid_down_and_taken_back(world: World, tenant: TenantChanged) -> None:
    for words in ({"subject": "Hi", "lead": "Good day"},) * 2 + ({"subject": "Hi", "lead": "Hello"},):
        done(world, tenant, "PUT", MAIL, json=words)
    for _ in range(2):
        done(world, tenant, "DELETE", MAIL)
    done(world, tenant, "PUT", SMS, json={"text": "Até já"})

    text, dropped, changed, added = trail(world, tenant)
    assert {entry["action"] for entry in (added, changed, dropped, text)} == {"message-template.changed"}
    assert added["entity"] == {"kind": "message-template", "id": str(tenant.tenant_id)}
    assert added["actor"]["kind"] == "member"
    assert added["changes"] == {
        "booked/email/en/subject": {"old": None, "new": "Hi"},
        "booked/email/en/lead": {"old": None, "new": "Good day"},
    }
    assert changed["changes"] == {"booked/email/en/lead": {"old": "Good day", "new": "Hello"}}
    assert dropped["changes"] == {
        "booked/email/en/subject": {"old": "Hi", "new": None},
        "booked/email/en/lead": {"old": "Hello", "new": None},
    }
    assert text["changes"] == {"reminder/sms/pt/text": {"old": None, "new": "Até já"}}


def test_quiet_hours(world: World, tenant: TenantChanged) -> None:
    hours = {"from": "22:00", "to": "07:30", "channels": ["sms", "email"]}
    for body in (hours, hours, hours | {"channels": [], "notices": True}):
        done(world, tenant, "PUT", HOURS, json=body)
    off, begun = trail(world, tenant)
    assert begun["action"] == off["action"] == "quiet-hours.changed"
    assert begun["entity"] == {"kind": "quiet-hours", "id": str(tenant.tenant_id)}
    assert begun["changes"] == {
        "from": {"old": "21:00:00", "new": "22:00:00"},
        "to": {"old": "08:00:00", "new": "07:30:00"},
        "channels": {"old": [], "new": ["email", "sms"]},
    }
    assert off["changes"] == {
        "channels": {"old": ["email", "sms"], "new": []},
        "notices": {"old": False, "new": True},
    }


def test_the_list_without_the_addresses(world: World, tenant: TenantChanged) -> None:
    address = f"Trail-{new_id().hex}@riverside.example"
    body = {"channel": "email", "address": address, "reason": "complaint"}
    for _ in range(2):
        made = done(world, tenant, "POST", LIST, json=body, headers={"Idempotency-Key": "one"})
    done(world, tenant, "POST", LIST, json=body)
    done(world, tenant, "POST", LIST, json=body | {"scope": "reminders"})
    done(world, tenant, "DELETE", f"{LIST}/{made['id']}")
    number = done(world, tenant, "POST", LIST, json={"channel": "sms", "address": "+351912345678"})

    other, removed, changed, added = trail(world, tenant)
    assert [entry["action"] for entry in (added, changed, removed, other)] == [
        "suppression.added",
        "suppression.changed",
        "suppression.removed",
        "suppression.added",
    ]
    assert added["entity"] == {"kind": "suppression", "id": made["id"]}
    assert added["changes"] == {
        "channel": {"old": None, "new": "email"},
        "reason": {"old": None, "new": "complaint"},
        "scope": {"old": None, "new": "all"},
        "address": {"hidden": True},
    }
    assert changed["changes"] == {"scope": {"old": "all", "new": "reminders"}}
    assert removed["changes"] == {
        "channel": {"old": "email", "new": None},
        "reason": {"old": "complaint", "new": None},
        "scope": {"old": "reminders", "new": None},
        "address": {"hidden": True},
    }
    assert trail(world, tenant, entity=number["id"]) == [other]
    digests = [digest_of(tenant.tenant_id, Channel.EMAIL, address)]
    digests.append(digest_of(tenant.tenant_id, Channel.SMS, "+351912345678"))
    nowhere(world, address, "riverside.example", "912345678", made["address"], number["address"])
    nowhere(world, *(digest.hex() for digest in digests))


def test_a_customer_who_unsubscribes_by_link(world: World, tenant: TenantChanged) -> None:
    salon = world.salon(tenant)
    customer_id = salon.customer.customer_id
    digest = digest_of(tenant.tenant_id, Channel.EMAIL, salon.email)
    of = Subscription(tenant.tenant_id, customer_id, Channel.EMAIL, digest)
    token = UnsubscribeLinks(SecretStr(LINK_KEY)).token(of)
    for _ in range(2):
        done(world, None, "POST", f"/unsubscribe/{token}")
    path = f"/v1/unsubscriptions/{token}"
    done(world, None, "GET", path)
    done(world, None, "PUT", path, json={"unsubscribed": "all"})
    for _ in range(2):
        done(world, None, "DELETE", path)

    removed, changed, added = trail(world, tenant)
    assert [entry["action"] for entry in (added, changed, removed)] == [
        "suppression.added",
        "suppression.changed",
        "suppression.removed",
    ]
    for entry in (added, changed, removed):
        assert entry["actor"] == {"kind": "customer", "id": str(customer_id)}
        assert entry["entity"] == added["entity"]
    assert added["changes"] == {
        "channel": {"old": None, "new": "email"},
        "reason": {"old": None, "new": "unsubscribed"},
        "scope": {"old": None, "new": "reminders"},
        "address": {"hidden": True},
    }
    assert changed["changes"] == {"scope": {"old": "reminders", "new": "all"}}
    nowhere(world, salon.email, "riverside.example", digest.hex(), token)


def test_webhook_endpoints_without_their_secrets(
    world: World, tenant: TenantChanged, receiver: Receiver
) -> None:
    url = f"{receiver.url}/{new_id().hex}"
    body = {"url": f"{url}?token=s3cr3t-of-ours", "events": ["message.sent"], "description": "Till"}
    answers = [
        done(world, tenant, "POST", HOOKS, json=body, headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]
    made, path = answers[0], f"{HOOKS}/{answers[0]['id']}"
    for edit in (
        {"description": "Till"},
        {"events": ["*"], "description": "Office", "enabled": True},
        {"url": f"{url}?token=an0ther-one"},
        {"enabled": False},
        {"enabled": False},
        {"url": f"{receiver.url}/elsewhere", "enabled": True},
    ):
        done(world, tenant, "PATCH", path, json=edit)
    rotated = done(world, tenant, "POST", f"{path}/rotate-secret")
    done(world, tenant, "POST", f"{path}/test")
    done(world, tenant, "DELETE", path)

    removed, secret, moved, off, other_token, edited, added = trail(world, tenant, entity=made["id"])
    assert added["action"] == "webhook-endpoint.added"
    assert added["entity"] == {"kind": "webhook-endpoint", "id": made["id"]}
    assert added["changes"] == {
        "url": {"old": None, "new": url},
        "url_query": {"hidden": True},
        "events": {"old": None, "new": ["message.sent"]},
        "description": {"old": None, "new": "Till"},
        "enabled": {"old": None, "new": True},
    }
    assert {entry["action"] for entry in (edited, other_token, off, moved)} == {"webhook-endpoint.changed"}
    assert edited["changes"] == {
        "events": {"old": ["message.sent"], "new": ["*"]},
        "description": {"old": "Till", "new": "Office"},
    }
    assert other_token["changes"] == {"url_query": {"hidden": True}}
    assert off["changes"] == {"enabled": {"old": True, "new": False}}
    assert moved["changes"] == {
        "url": {"old": url, "new": f"{receiver.url}/elsewhere"},
        "url_query": {"hidden": True},
        "enabled": {"old": False, "new": True},
    }
    assert (secret["action"], secret["changes"]) == ("webhook-endpoint.secret-rotated", {})
    assert removed["action"] == "webhook-endpoint.removed"
    assert removed["changes"] == {
        "url": {"old": f"{receiver.url}/elsewhere", "new": None},
        "events": {"old": ["*"], "new": None},
        "description": {"old": "Office", "new": None},
        "enabled": {"old": True, "new": None},
    }
    assert trail(world, tenant) == trail(world, tenant, entity=made["id"])
    nowhere(world, "s3cr3t-of-ours", "an0ther-one", "whsec")
    nowhere(world, *(told["secret"].removeprefix("whsec_") for told in (made, rotated)))


def test_who_it_was_and_by_which_request(world: World, tenant: TenantChanged) -> None:
    member = str(new_id())
    token = world.minter.token(tenant.tenant_id, sub=member)
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "request-of-ada"}
    done(world, None, "PUT", SMS, json={"text": "Até já"}, headers=headers)
    (entry,) = trail(world, tenant)
    assert (entry["actor"], entry["request_id"]) == ({"kind": "member", "id": member}, "request-of-ada")


def test_what_is_refused_adds_nothing(world: World, tenant: TenantChanged) -> None:
    for method, path, body, status in (
        ("PUT", MAIL, {"lead": "{{ nobody }}"}, 422),
        ("PUT", MAIL, {"lead": "Hi"}, 412),
        ("PUT", HOURS, {"from": "22:00", "to": "08:00", "channels": ["sms"]}, 412),
        ("DELETE", f"{LIST}/{new_id()}", None, 404),
        ("POST", HOOKS, {"url": "https://10.0.0.1/", "events": ["*"]}, 422),
        ("DELETE", f"{HOOKS}/{new_id()}", None, 404),
        ("POST", f"{HOOKS}/{new_id()}/rotate-secret", None, 404),
    ):
        answer = world.ask(tenant.tenant_id, method, path, json=body, headers={"If-Match": '"v9"'})
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
    assert trail(world, tenant) == []


def test_the_trail_is_the_owners_and_the_businesss_own(world: World, tenant: TenantChanged) -> None:
    other = world.tenant()
    made = done(world, other, "POST", LIST, json={"channel": "sms", "address": "+351912345678"})
    assert trail(world, tenant) == trail(world, tenant, entity=made["id"]) == []
    path = "/v1/messages/audit"
    assert world.ask(other.tenant_id, "GET", path, role="staff").status_code == 403
    assert world.ask(None, "GET", path).status_code == 401


def test_an_entry_and_its_change_are_written_together(world: World, tenant: TenantChanged) -> None:
    """Where the trail cannot be written, nothing is changed."""
    refuse = "ALTER TABLE audit_entry ADD CONSTRAINT refuse CHECK (action <> 'suppression.added') NOT VALID"
    body = {"channel": "sms", "address": "+351912345678"}
    with psycopg.connect(world.database.admin_url, autocommit=True) as conn:
        conn.execute(refuse.encode())
        try:
            assert world.ask(tenant.tenant_id, "POST", LIST, json=body).status_code == 500
        finally:
            conn.execute("ALTER TABLE audit_entry DROP CONSTRAINT refuse")
    assert done(world, tenant, "GET", LIST)["items"] == []


def test_of_several_at_once_one_was_the_first(world: World, tenant: TenantChanged) -> None:
    """Each finds what the one before it has left, though at first there is no row to lock."""
    at_once = range(8)
    number = {"channel": "sms", "address": "+351912345678"}

    def change(nth: int) -> None:
        done(world, tenant, "PUT", SMS, json={"text": f"Words {nth}"})
        done(world, tenant, "POST", LIST, json=number)

    with ThreadPoolExecutor(len(at_once)) as pool:
        list(pool.map(change, at_once))
    added, *words = sorted(trail(world, tenant), key=lambda entry: entry["action"] != "suppression.added")
    assert added["action"] == "suppression.added"
    (field,) = {name for entry in words for name in entry["changes"]}
    said = [entry["changes"][field] for entry in words]
    assert sorted(change["new"] for change in said) == [f"Words {nth}" for nth in at_once]
    last = done(world, tenant, "GET", SMS)["text"]
    replaced = [change["old"] for change in said if change["old"] is not None]
    assert sorted([*replaced, last]) == [f"Words {nth}" for nth in at_once]


def test_it_goes_when_the_business_is_erased(world: World, tenant: TenantChanged) -> None:
    other = world.tenant()
    for business in (tenant, other):
        done(world, business, "PUT", SMS, json={"text": "Até já"})
    fields = {"state": TenantState.DELETING, "deletion_policy": DeletionPolicy.DELETE, "generation": 2}
    gone = tenant.model_copy(update=fields)
    world.topics.publish(gone)
    status = world.answer(gone)
    assert status.details.erased is not None
    assert status.details.erased["audit_entry"] == 1

    def left(tenant_id: UUID) -> int:
        return len(world.rows("SELECT 1 FROM audit_entry WHERE tenant_id = %s", tenant_id))

    assert (left(tenant.tenant_id), left(other.tenant_id)) == (0, 1)
    assert world.ask(tenant.tenant_id, "GET", "/v1/messages/audit").status_code == 404
