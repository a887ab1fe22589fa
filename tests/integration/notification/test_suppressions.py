"""Who wants no more messages gets none: by one click, by the page, by the business, or as nobody is there."""

import re
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.booking import AppointmentCancelled, Channel, Consent
from contracts.notification import MessageSuppressed
from devstack.local_http import LOCAL_HTTP
from integration.notification.world import LINK_KEY, Salon, World
from notification.suppression import digests_of
from servicekit.ids import new_id
from servicekit.links import Subscription, UnsubscribeLinks
from support.events import until


def link(world: World, mail: dict[str, Any]) -> str:
    """The path of the one link in the header."""
    headers = LOCAL_HTTP.get(f"{world.post.url}/api/v1/message/{mail['ID']}/headers").json()
    (uri,) = headers["List-Unsubscribe"]
    assert headers["List-Unsubscribe-Post"] == ["List-Unsubscribe=One-Click"]
    found = re.fullmatch(r"<https://book\.example(/unsubscribe/[A-Za-z0-9_-]{90})>", uri)
    assert found is not None, uri
    assert found[1] in mail["Text"]
    return found[1]


def first_mail(world: World, salon: Salon) -> tuple[Any, str]:
    booked = salon.booked()
    world.topics.publish(booked)
    (mail,) = world.mails(salon, 1)
    return booked, link(world, mail)


def test_one_click_ends_the_reminders_and_not_the_news(world: World) -> None:
    salon = world.salon()
    booked, path = first_mail(world, salon)
    click = world.ask(None, "POST", path, data={"List-Unsubscribe": "One-Click"})
    assert click.status_code == 200
    assert "Riverside Barbers" in click.text
    assert world.ask(None, "POST", path).status_code == 200  # again, and with no body, is as good
    world.topics.publish(salon.due(booked))
    world.topics.publish(salon.due(booked, channel=Channel.SMS))
    past = {"appointment_id": booked.appointment_id, "starts_at": booked.starts_at, "version": 2}
    rows = world.settled(salon, 3)
    assert sorted(row["reason"] or row["kind"] + row["channel"] for row in rows) == [
        "bookedemail",
        "remindersms",
        "unsubscribed",
    ]
    world.topics.publish(salon.event(AppointmentCancelled, **past))
    assert world.mails(salon, 2)[1]["Subject"].startswith("Cancelled: ")
    told = [event for event in world.outcomes(salon, 4) if isinstance(event, MessageSuppressed)]
    assert [(event.reason, event.detail) for event in told] == [("no-consent", "unsubscribed")]
    (entry,) = world.ask(salon.tenant.tenant_id, "GET", "/v1/suppressions").json()["items"]
    shown = (entry["channel"], entry["address"], entry["reason"], entry["scope"])
    assert shown == ("email", f"{salon.email[0]}***@riverside.example", "unsubscribed", "reminders")


def test_looking_at_the_link_changes_nothing(world: World) -> None:
    salon = world.salon()
    booked, path = first_mail(world, salon)
    api = path.replace("/unsubscribe/", "/v1/unsubscriptions/")
    for method, asked in (("GET", path), ("HEAD", path), ("GET", api), ("HEAD", api)):
        world.ask(None, method, asked)
    assert world.ask(None, "GET", api).json() == {
        "business": "Riverside Barbers",
        "channel": "email",
        "unsubscribed": None,
    }
    world.topics.publish(salon.due(booked))
    world.mails(salon, 2)


def test_the_page_can_end_everything_and_take_it_back(world: World) -> None:
    salon = world.salon()
    booked, path = first_mail(world, salon)
    api = path.replace("/unsubscribe/", "/v1/unsubscriptions/")
    assert world.ask(None, "PUT", api, json={"unsubscribed": "all"}).json()["unsubscribed"] == "all"
    world.topics.publish(salon.booked())
    rows = world.settled(salon, 2)
    assert [row["reason"] for row in rows] == [None, "unsubscribed"]
    assert world.ask(None, "DELETE", api).json()["unsubscribed"] is None
    world.topics.publish(salon.due(booked))
    world.mails(salon, 2)


def test_one_click_takes_nothing_back_from_who_wants_nothing_at_all(world: World) -> None:
    salon = world.salon()
    _, path = first_mail(world, salon)
    api = path.replace("/unsubscribe/", "/v1/unsubscriptions/")
    world.ask(None, "PUT", api, json={"unsubscribed": "all"}).raise_for_status()
    assert world.ask(None, "POST", path).status_code == 200
    assert world.ask(None, "GET", api).json()["unsubscribed"] == "all"
    world.topics.publish(salon.booked())
    assert [row["reason"] for row in world.settled(salon, 2)] == [None, "unsubscribed"]
    # On the page, where one sees what is said, less can be said.
    world.ask(None, "PUT", api, json={"unsubscribed": "reminders"}).raise_for_status()
    assert world.ask(None, "GET", api).json()["unsubscribed"] == "reminders"


def test_who_takes_their_word_back_takes_back_nobody_elses(world: World) -> None:
    salon = world.salon()
    _, path = first_mail(world, salon)
    api = path.replace("/unsubscribe/", "/v1/unsubscriptions/")
    world.ask(None, "PUT", api, json={"unsubscribed": "all"}).raise_for_status()
    complaint = {"channel": "email", "address": salon.email, "reason": "complaint"}
    world.ask(salon.tenant.tenant_id, "POST", "/v1/suppressions", json=complaint).raise_for_status()
    assert world.ask(None, "DELETE", api).json()["unsubscribed"] is None
    listed = world.ask(salon.tenant.tenant_id, "GET", "/v1/suppressions").json()["items"]
    assert [entry["reason"] for entry in listed] == ["complaint"]
    world.topics.publish(salon.booked())
    assert [row["reason"] for row in world.settled(salon, 2)] == [None, "complaint"]


def test_the_link_of_a_mail_to_a_former_address_is_about_that_one(world: World) -> None:
    """Nothing of the new one is shown with what was said of the old one, and its messages go on."""
    salon = world.salon()
    booked, path = first_mail(world, salon)
    new = f"new-{salon.email}"
    world.consumed(
        world.topics.publish(salon.customer.model_copy(update={"version": 2, "email": new})),
    )
    assert world.ask(None, "POST", path).status_code == 200
    (entry,) = world.ask(salon.tenant.tenant_id, "GET", "/v1/suppressions").json()["items"]
    assert (entry["reason"], entry["address"]) == ("unsubscribed", None)
    world.topics.publish(salon.due(booked))
    assert [(row["status"], row["recipient"]) for row in world.settled(salon, 2)] == [
        ("sent", salon.email),
        ("sent", new),
    ]


@pytest.mark.parametrize(
    "change", [lambda token: token[:-1], lambda token: token[:40] + token[40:].swapcase(), lambda _: "x"]
)
def test_a_link_that_is_none_of_ours_unsubscribes_nobody(world: World, change: Any) -> None:
    salon = world.salon()
    _, path = first_mail(world, salon)
    token = change(path.rpartition("/")[2])
    for method, asked in (("POST", f"/unsubscribe/{token}"), ("GET", f"/v1/unsubscriptions/{token}")):
        answer = world.ask(None, method, asked)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
    count = "SELECT count(*) AS n FROM suppression WHERE tenant_id = %s"
    assert world.rows(count, salon.tenant.tenant_id) == [{"n": 0}]


def test_the_business_keeps_a_list_of_its_own(world: World) -> None:
    salon, other = world.salon(), world.salon()
    other_same = world.salon(other.tenant, email=salon.email)
    tenant = salon.tenant.tenant_id
    body = {"channel": "email", "address": salon.email.upper(), "reason": "complaint"}
    made = world.ask(tenant, "POST", "/v1/suppressions", json=body, headers={"Idempotency-Key": "k1"})
    assert made.status_code == 201
    again = world.ask(tenant, "POST", "/v1/suppressions", json=body, headers={"Idempotency-Key": "k1"})
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (made.json(), "true")
    assert world.ask(tenant, "POST", "/v1/suppressions", json=body).json()["id"] == made.json()["id"]
    number = {"channel": "sms", "address": "+351912345678", "scope": "reminders"}
    world.ask(tenant, "POST", "/v1/suppressions", json=number).raise_for_status()
    page = world.ask(tenant, "GET", "/v1/suppressions", params={"limit": "1"})
    assert 'rel="next"' in page.headers["Link"]
    filtered = world.ask(tenant, "GET", "/v1/suppressions", params={"reason": "complaint"}).json()["items"]
    assert [item["id"] for item in filtered] == [made.json()["id"]]
    booked = salon.booked()
    for event in (booked, salon.due(booked, channel=Channel.SMS), other_same.booked()):
        world.topics.publish(event)
    reasons = {row["channel"]: row["reason"] for row in world.settled(salon, 2)}
    assert reasons == {"email": "complaint", "sms": "by-hand"}
    world.mails(other_same, 1)  # another business's list is its own
    path = f"/v1/suppressions/{made.json()['id']}"
    assert world.ask(other.tenant.tenant_id, "DELETE", path).status_code == 404
    assert world.ask(tenant, "DELETE", path).status_code == 204
    assert world.ask(tenant, "DELETE", path).status_code == 404
    world.topics.publish(salon.booked())
    assert [row["status"] for row in world.settled(salon, 3)] == ["suppressed", "suppressed", "sent"]


def test_a_bounce_counts_that_names_the_domain_as_mail_goes_to_it(world: World) -> None:
    salon = world.salon(email=f"c{new_id().hex[-12:]}@münchen.example")
    reported = salon.email.replace("münchen", "xn--mnchen-3ya")
    bounced = {"channel": "email", "address": reported, "reason": "bounced"}
    world.ask(salon.tenant.tenant_id, "POST", "/v1/suppressions", json=bounced).raise_for_status()
    world.topics.publish(salon.booked())
    assert [row["reason"] for row in world.settled(salon, 1)] == ["bounced"]


def test_what_was_said_of_such_an_address_as_it_is_written_holds_on(world: World) -> None:
    """As entries, and links in mails, from before it counted as mail goes to it."""
    salon = world.salon(email=f"c{new_id().hex[-12:]}@münchen.example")
    tenant_id, customer_id = salon.tenant.tenant_id, salon.customer.customer_id
    of_links = UnsubscribeLinks(SecretStr(LINK_KEY))
    new, old = (
        "/v1/unsubscriptions/" + of_links.token(Subscription(tenant_id, customer_id, Channel.EMAIL, digest))
        for digest in digests_of(tenant_id, Channel.EMAIL, salon.email)
    )
    world.rows(
        "INSERT INTO suppression (tenant_id, suppression_id, channel, digest, reason, scope, created_at)"
        " VALUES (%s, %s, 'email', %s, 'unsubscribed', 'all', now()) RETURNING 1",
        tenant_id,
        new_id(),
        digests_of(tenant_id, Channel.EMAIL, salon.email)[1],
    )
    world.topics.publish(salon.booked())
    assert [row["reason"] for row in world.settled(salon, 1)] == ["unsubscribed"]
    assert world.ask(None, "GET", new).json()["unsubscribed"] == "all"
    # Said anew, it is the same entry; and taken back it is gone.
    for path in (new, old):
        world.ask(None, "PUT", path, json={"unsubscribed": "reminders"}).raise_for_status()
        (entry,) = world.ask(tenant_id, "GET", "/v1/suppressions").json()["items"]
        assert (entry["scope"], entry["address"]) == ("reminders", "c***@münchen.example")
        world.ask(None, "DELETE", new).raise_for_status()
        assert world.ask(tenant_id, "GET", "/v1/suppressions").json()["items"] == []


def test_an_erased_person_leaves_a_list_that_tells_nothing_of_them(world: World) -> None:
    salon = world.salon()
    _, path = first_mail(world, salon)
    world.ask(None, "POST", path)
    by_hand = {"channel": "sms", "address": "+351912345678"}
    world.ask(salon.tenant.tenant_id, "POST", "/v1/suppressions", json=by_hand).raise_for_status()
    world.erase(salon.customer)

    def erased() -> bool:
        items = world.ask(salon.tenant.tenant_id, "GET", "/v1/suppressions").json()["items"]
        return [item["address"] for item in items] == [None, None]

    until(erased, "no address is shown")
    # And it goes on holding: the same address under another name.
    back = world.salon(salon.tenant, email=salon.email, consent=Consent(email=True, sms=False))
    booked = back.booked()
    world.topics.publish(booked)
    world.topics.publish(back.due(booked))
    rows = world.settled(salon, 3)
    reasons = {(row["kind"], row["reason"]) for row in rows if row["appointment_id"] == booked.appointment_id}
    assert reasons == {("booked", None), ("reminder", "unsubscribed")}


def test_news_of_an_appointment_brings_it_for_the_calendar(world: World) -> None:
    salon = world.salon()
    booked = salon.booked()
    world.topics.publish(booked)
    world.mails(salon, 1)
    past = {"appointment_id": booked.appointment_id, "starts_at": booked.starts_at, "version": 2}
    world.topics.publish(salon.event(AppointmentCancelled, **past))
    for mail, method, sequence in zip(world.mails(salon, 2), ("PUBLISH", "CANCEL"), (0, 1), strict=True):
        (attached,) = mail["Attachments"]
        assert attached["FileName"] == "appointment.ics"
        base = f"{world.post.url}/api/v1/message/{mail['ID']}"
        raw = LOCAL_HTTP.get(f"{base}/raw").text
        assert f'text/calendar; charset="utf-8"; method="{method}"; component="VEVENT"' in re.sub(
            r"\r?\n\s+", " ", raw
        )
        content = LOCAL_HTTP.get(f"{base}/part/{attached['PartID']}").text
        assert f"METHOD:{method}\r\n" in content
        assert f"UID:{booked.appointment_id}@slotwright\r\n" in content
        assert f"SEQUENCE:{sequence}\r\n" in content
