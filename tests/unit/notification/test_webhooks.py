"""How webhooks are signed, when they are tried again, and what disables an endpoint."""

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from contracts.booking import AppointmentEvent
from contracts.notification import MessageEvent, MessageSuppressed
from contracts.registry import EVENTS
from notification.webhooks.domain import (
    GIVE_UP_ENDPOINT,
    PAUSES,
    RESPONSE_BYTES,
    TYPES,
    Delivered,
    DisabledFor,
    Failed,
    Reply,
    Retry,
    decide,
    readable,
    retry_after,
)
from notification.webhooks.payloads import payload
from notification.webhooks.settings import WebhookSettings
from notification.webhooks.signing import new_secret, signed_headers, written

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
BODY = b'{"type":"appointment.booked"}'


def verified(secret: bytes, headers: dict[str, str], body: bytes = BODY) -> bool:
    """What the specification's own library for receivers says."""
    try:
        Webhook(written(secret)).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_a_signature_is_that_of_the_reference_libraries() -> None:
    """The vector of the tests of Standard Webhooks' libraries; the specification's example names no secret."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_is_random_and_of_the_form_that_the_specification_asks_for() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    text = written(first)
    assert text.startswith("whsec_")
    assert base64.b64decode(text.removeprefix("whsec_"), validate=True) == first
    assert 24 <= len(first) <= 64


def test_each_key_signs_and_nobody_elses_does() -> None:
    present, replaced, stranger = new_secret(), new_secret(), new_secret()
    at = int(datetime.now(UTC).timestamp())
    headers = signed_headers([present, replaced], "0197b0c4", at, BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert verified(present, headers)
    assert verified(replaced, headers)
    assert not verified(stranger, headers)


def test_what_was_changed_on_the_way_or_is_old_is_not_taken() -> None:
    key, at = new_secret(), int(datetime.now(UTC).timestamp())
    headers = signed_headers([key], "0197b0c4", at, BODY)
    assert verified(key, headers)
    assert not verified(key, headers, BODY + b" ")
    assert not verified(key, headers | {"webhook-id": "0197b0c5"})
    assert not verified(key, headers | {"webhook-timestamp": str(at + 1)})
    assert not verified(key, signed_headers([key], "0197b0c4", at - 3600, BODY))


def test_a_payload_says_what_when_and_the_event_itself() -> None:
    text = payload("appointment.booked", NOW.astimezone(), {"name": "Zoë", "n": None})
    assert (
        text
        == '{"type":"appointment.booked","timestamp":"2026-06-01T12:00:00Z","data":{"name":"Zoë","n":null}}'
    )
    assert json.loads(text)["data"] == {"name": "Zoë", "n": None}


def test_every_appointment_and_message_event_has_a_type_but_for_suppressed_messages() -> None:
    told = {event for event in EVENTS if issubclass(event, AppointmentEvent | MessageEvent)}
    assert told - {MessageSuppressed} == set(TYPES)


def test_the_schedule_is_the_specifications() -> None:
    """Its table of times since the start, when each attempt fails at once and nothing is random."""
    expected = ["0:00:05", "0:05:05", "0:35:05", "2:35:05", "7:35:05", "17:35:05"]
    expected += ["1 day, 7:35:05", "2 days, 3:35:05", "3 days, 3:35:05"]
    now, times = NOW, []
    for tries in range(1, 10):
        decision = decide(Reply(http_status=500), tries, PAUSES, None, now, 0)
        assert isinstance(decision, Retry)
        now = decision.at
        times.append(str(now - NOW))
    assert times == expected
    assert decide(Reply(http_status=500), 10, PAUSES, None, now, 0) == Failed("HTTP 500")


@pytest.mark.parametrize("jitter", [-1, -0.5, 0.5, 1])
def test_each_pause_is_off_by_a_tenth_at_most(jitter: float) -> None:
    for tries, pause in enumerate(PAUSES, 1):
        decision = decide(Reply(error="The endpoint cannot be reached."), tries, PAUSES, None, NOW, jitter)
        assert isinstance(decision, Retry)
        assert decision.at - NOW == pause * (1 + jitter / 10)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_delivery(status: int) -> None:
    assert decide(Reply(http_status=status), 1, PAUSES, NOW - GIVE_UP_ENDPOINT, NOW, 0) == Delivered()


@pytest.mark.parametrize("status", [199, 301, 302, 400, 404, 409, 429, 500, 503])
def test_anything_else_is_tried_again(status: int) -> None:
    assert decide(Reply(http_status=status), 1, PAUSES, None, NOW, 0) == Retry(NOW + timedelta(seconds=5))


def test_410_disables_at_once() -> None:
    assert decide(Reply(http_status=410), 1, PAUSES, None, NOW, 0) == Failed("HTTP 410", DisabledFor.GONE)


def test_five_days_of_failures_disable_but_not_one_failure_after_five_days() -> None:
    failed, long_ago = Reply(http_status=500), NOW - GIVE_UP_ENDPOINT
    assert decide(failed, 2, PAUSES, long_ago, NOW, 0) == Failed("HTTP 500", DisabledFor.FAILING)
    assert isinstance(decide(failed, 1, PAUSES, long_ago, NOW, 0), Retry)
    assert isinstance(decide(failed, 2, PAUSES, long_ago + timedelta(seconds=1), NOW, 0), Retry)


def test_without_a_schedule_the_first_failure_is_the_last() -> None:
    assert decide(Reply(http_status=500), 1, (), None, NOW, 0) == Failed("HTTP 500")


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (timedelta(seconds=2), timedelta(seconds=5)),
        (timedelta(minutes=10), timedelta(minutes=10)),
        (timedelta(days=400), timedelta(hours=24)),
    ],
)
def test_retry_after_is_waited_for_but_not_for_ever(asked: timedelta, pause: timedelta) -> None:
    reply = Reply(http_status=503, retry_after=asked)
    assert decide(reply, 1, PAUSES, None, NOW, 0) == Retry(NOW + pause)


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        (None, None),
        ("", None),
        ("120", timedelta(seconds=120)),
        (" 7 ", timedelta(seconds=7)),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("9" * 500, timedelta(seconds=10**8)),
        (format_datetime(NOW + timedelta(minutes=5), usegmt=True), timedelta(minutes=5)),
        (format_datetime(NOW - timedelta(minutes=5), usegmt=True), None),
        ("Mon, 01 Jun 2026 12:05:00", timedelta(minutes=5)),
        ("Mon, 99 Jun 2026 12:05:00 GMT", None),
        ("Mon, 01 Jun 2026 12:05:00 +" + "9" * 20, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, pause: timedelta | None) -> None:
    assert retry_after(header, NOW) == pause


def test_an_answer_is_kept_as_text_that_can_be_shown() -> None:
    assert readable(b"all\tis\nwell \x00\x1b[31m\xff") == "all\tis\nwell ��[31m�"
    assert len(readable(b"x" * 5000)) == RESPONSE_BYTES


def test_a_lease_outlasts_an_attempt() -> None:
    with pytest.raises(ValidationError, match="WEBHOOK_LEASE_SECONDS must be more than WEBHOOK_TIMEOUT"):
        WebhookSettings(webhook_timeout=60, webhook_lease_seconds=60)
