"""A business's own words: laid down, tried, sent, taken back; and what a text message counts for."""

from typing import Any

import psycopg
import pytest

from contracts.booking import Channel
from contracts.platform import Limits
from integration.notification.world import World

MAIL = "/v1/message-templates/booked/email/en"
SMS = "/v1/message-templates/reminder/sms/en"


def test_a_businesss_own_words_are_sent_until_it_takes_them_back(world: World) -> None:
    salon, other = world.salon(), world.salon()
    tenant = salon.tenant.tenant_id
    ours = world.ask(tenant, "GET", MAIL)
    assert (ours.headers["ETag"], ours.json()["own"]) == ('"v0"', [])
    words = {
        "subject": "{{ service }}: {{ when }}",
        "lead": "Hi {{ name }} & <co>,\n{{ staff }} expects you.",
    }
    put = world.ask(tenant, "PUT", MAIL, json=words, headers={"If-Match": '"v0"'})
    assert (put.status_code, put.headers["ETag"]) == (200, '"v1"')
    assert put.json()["own"] == ["subject", "lead"]
    for made in (salon, other):
        world.topics.publish(made.booked())
    (mail,) = world.mails(salon, 1)
    assert mail["Subject"].startswith("Haircut: ")
    assert "Hi Ana Costa & <co>,\r\nBo expects you." in mail["Text"]
    assert "Hi Ana Costa &amp; &lt;co&gt;,<br>Bo expects you." in mail["HTML"]
    assert world.mails(other, 1)[0]["Subject"].startswith("Booked: ")
    assert world.ask(tenant, "PUT", MAIL, json=words, headers={"If-Match": '"v0"'}).status_code == 412
    assert world.ask(tenant, "DELETE", MAIL, headers={"If-Match": '"v1"'}).status_code == 204
    again = world.ask(tenant, "GET", MAIL)
    assert (again.headers["ETag"], again.json()["subject"]) == ('"v2"', ours.json()["subject"])
    world.topics.publish(salon.booked())
    assert world.mails(salon, 2)[1]["Subject"].startswith("Booked: ")


@pytest.mark.parametrize(
    ("path", "body", "pointer", "named"),
    [
        (MAIL, {"lead": "Hi\n{{ nmae }}"}, "/lead", "line 2: there is no variable nmae"),
        (MAIL, {"subject": "{% if %}"}, "/subject", "line 1"),
        (MAIL, {"subject": "a\nb"}, "/subject", "one line"),
        (MAIL, {"text": "Hi"}, "/text", "a mail has none"),
        (MAIL, {}, "/subject", "DELETE"),
        (SMS, {"text": "x" * 1531}, "/text", "11 segments"),
        (SMS, {"lead": "Hi"}, "/lead", "a text message has none"),
        ("/v1/message-templates/booked/sms/en", {"text": "Hi"}, "path:channel", "only reminders"),
        ("/v1/message-templates/booked/email/fr", {"lead": "Salut"}, "path:language", "de, en, pt"),
        ("/v1/message-templates/party/email/en", {"lead": "Hi"}, "path:kind", "reminder"),
    ],
)
def test_what_does_not_hold_is_refused_and_named(
    world: World, path: str, body: dict[str, Any], pointer: str, named: str
) -> None:
    tenant = world.tenant().tenant_id
    answer = world.ask(tenant, "PUT", path, json=body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert named in error["detail"]
    assert world.rows("SELECT 1 FROM wording WHERE tenant_id = %s", tenant) == []


def test_a_preview_shows_the_message_and_keeps_nothing(world: World) -> None:
    tenant = world.tenant().tenant_id
    given = {"text": "Até já, {{ name }}! {{ manage_url }}"}
    shown = world.ask(tenant, "POST", f"{SMS}/preview", json=given).json()
    assert shown["text"].startswith("Até já, Ana Costa! https://book.example/appointments/")
    assert (shown["encoding"], shown["segments"], shown["html"]) == ("UCS-2", 2, None)
    plain = world.ask(tenant, "POST", f"{SMS}/preview", json={"text": "See you"}).json()
    assert (plain["encoding"], plain["units"], plain["segments"]) == ("GSM-7", 7, 1)
    ours = world.ask(tenant, "POST", f"{MAIL}/preview", json={}).json()
    assert ours["subject"] == "Booked: Haircut at Riverside Barbers, Tuesday, 9 July 2030, 14:30"
    assert "Asia/Kathmandu" in ours["html"]
    assert world.rows("SELECT 1 FROM wording WHERE tenant_id = %s", tenant) == []


def test_a_template_that_fails_when_it_is_sent_loses_no_message(world: World) -> None:
    """One that could never have been laid down: of a release that knew other variables, say."""
    salon = world.salon()
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "INSERT INTO wording (tenant_id, kind, channel, language, version, lead)"
            " VALUES (%s, 'booked', 'email', 'en', 1, '{{ gone }}')",
            (salon.tenant.tenant_id,),
        )
    world.topics.publish(salon.booked())
    (mail,) = world.mails(salon, 1)
    assert "your appointment at Riverside Barbers is booked." in mail["Text"]
    assert world.running is not None
    assert "the business's template failed, ours is used" in world.running.log.read_text("utf-8")


def test_a_text_message_counts_by_its_segments(world: World) -> None:
    salon = world.salon(world.tenant(limits=Limits(sms_per_month=3)))
    tenant = salon.tenant.tenant_id
    world.ask(tenant, "PUT", SMS, json={"text": "ç" * 71}).raise_for_status()
    booked = salon.booked()
    world.topics.publish(booked)
    world.topics.publish(salon.due(booked, channel=Channel.SMS))
    world.settled(salon, 2)
    world.topics.publish(salon.due(booked, channel=Channel.SMS))
    rows = [row for row in world.settled(salon, 3) if row["channel"] == "sms"]
    assert [(row["status"], row["reason"], row["segments"]) for row in rows] == [
        ("sent", None, 2),
        ("suppressed", "quota", None),
    ]
    used = world.rows("SELECT used FROM usage WHERE tenant_id = %s AND metric = 'sms_per_month'", tenant)
    assert used == [{"used": 2}]
    shown = world.get(tenant, channel="sms", status="sent").json()["items"]
    assert [item["segments"] for item in shown] == [2]
