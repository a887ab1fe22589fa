"""What messages say, in every language and for every kind; nothing that people typed gets out of its place."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from icalendar import Calendar

from contracts.booking import Channel
from contracts.notification import Kind
from notification.domain import Appointment, AppointmentStatus, CustomerKind
from notification.letters import Facts, Letters, OwnerFacts, one_line
from notification.webhooks.domain import DisabledFor, Endpoint
from notification.wording import VARIABLES, TemplateKind, Wording
from servicekit.ids import new_id

LETTERS = Letters()
KINDS: tuple[CustomerKind, ...] = (*get_args(Kind), "waitlist-offer")
STARTS_AT = datetime(2026, 7, 14, 13, 30, tzinfo=UTC)
FACTS = Facts(
    kind="booked",
    business="Riverside Barbers",
    address="1 Quay Street",
    business_zone="Europe/Lisbon",
    customer="Ana Costa",
    locale="en",
    service="Haircut",
    staff=("Bo",),
    appointment=Appointment(
        appointment_id=new_id(),
        version=1,
        status=AppointmentStatus.CONFIRMED,
        service_id=new_id(),
        staff_ids=(new_id(),),
        customer_id=new_id(),
        starts_at=STARTS_AT,
        ends_at=STARTS_AT,
        timezone="Europe/Lisbon",
    ),
    previous_starts_at=datetime(2026, 7, 13, 8, 0, tzinfo=UTC),
    expires_at=datetime(2026, 7, 14, 12, 45, tzinfo=UTC),
    manage_url="https://book.example/appointments/t0ken",
    calendar_url="https://book.example/v1/public/appointments/t0ken.ics",
    unsubscribe_url="https://book.example/unsubscribe/t1ken",
    organizer="hello@riverside.example",
    written_at=datetime(2026, 7, 1, 9, tzinfo=UTC),
)


@pytest.mark.parametrize("locale", ["en", "pt", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_said_in_every_language(kind: CustomerKind, locale: str) -> None:
    facts = replace(FACTS, kind=kind, locale=locale)
    mail = LETTERS.write(Channel.EMAIL, facts)
    sms = LETTERS.write(Channel.SMS, facts)
    assert mail.html is not None
    for text in (mail.subject, mail.text, mail.html, sms.text):
        assert "Haircut" in text
        assert "14:30" in text
        assert "{{" not in text
    for text in (mail.text, mail.html, sms.text):
        assert (FACTS.manage_url in text) == (kind != "cancelled")
    assert f'lang="{locale}"' in mail.html


@pytest.mark.parametrize(
    ("locale", "when"),
    [
        ("en-GB", "Tuesday, 14 July 2026, 14:30"),
        ("pt-BR", "terça-feira, 14 de julho de 2026, 14:30"),
        ("de", "Dienstag, 14. Juli 2026, 14:30 Uhr"),
        ("fr", "Tuesday, 14 July 2026, 14:30"),
    ],
)
def test_times_are_the_businesss_in_the_customers_language(locale: str, when: str) -> None:
    text = LETTERS.write(Channel.EMAIL, replace(FACTS, locale=locale)).text
    assert f"{when} (Europe/Lisbon)" in text
    assert "Europe/Berlin" not in text


def test_a_customer_elsewhere_reads_their_own_time_too() -> None:
    away = replace(FACTS, appointment=replace(FACTS.appointment, timezone="Europe/Berlin"))
    text = LETTERS.write(Channel.EMAIL, away).text
    assert "Tuesday, 14 July 2026, 14:30 (Europe/Lisbon)" in text
    assert "That is Tuesday, 14 July 2026, 15:30 in Europe/Berlin." in text


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../../etc/passwd", ""])
def test_an_unknown_zone_keeps_no_message_back(zone: str) -> None:
    appointment = replace(FACTS.appointment, timezone=zone)
    assert "14:30" in LETTERS.write(Channel.EMAIL, replace(FACTS, appointment=appointment)).text
    assert "13:30" in LETTERS.write(Channel.EMAIL, replace(FACTS, business_zone=zone)).text


def test_what_is_still_to_be_confirmed_is_not_called_booked() -> None:
    pending = replace(FACTS.appointment, status=AppointmentStatus.PENDING)
    assert LETTERS.write(Channel.EMAIL, replace(FACTS, appointment=pending)).subject.startswith("Requested: ")


@pytest.mark.parametrize(
    ("locale", "said", "sms_begins", "never"),
    [
        (
            "en",
            "Riverside Barbers has not confirmed your appointment in time",
            "Not confirmed in time",
            "cancelled",
        ),
        (
            "pt",
            "Riverside Barbers não confirmou a sua marcação a tempo",
            "Não confirmado a tempo",
            "cancelad",
        ),
        (
            "de",
            "Riverside Barbers hat Ihren Termin nicht rechtzeitig bestätigt",
            "Nicht rechtzeitig bestätigt",
            "abgesagt",
        ),
    ],
)
def test_what_has_run_out_is_said_not_to_have_been_confirmed_and_by_nobody_cancelled(
    locale: str, said: str, sms_begins: str, never: str
) -> None:
    ran_out = replace(FACTS.appointment, status=AppointmentStatus.CANCELLED, version=2, cancelled_by="system")
    facts = replace(FACTS, kind="cancelled", locale=locale, appointment=ran_out)
    mail, sms = LETTERS.write(Channel.EMAIL, facts), LETTERS.write(Channel.SMS, facts)
    assert mail.html is not None
    for text in (mail.text, mail.html):
        assert said in text
        assert FACTS.manage_url not in text
    for text in (mail.subject, mail.text, mail.html, sms.text):
        assert "14:30" in text
        assert never not in text.lower()
    assert sms.text.startswith(sms_begins)
    assert mail.calendar is not None
    calendar = Calendar.from_ical(mail.calendar)
    (event,) = calendar.walk("VEVENT")
    assert (calendar["METHOD"], event["STATUS"], event["SEQUENCE"]) == ("CANCEL", "CANCELLED", 1)


@pytest.mark.parametrize("by", ["customer", "staff"])
def test_what_a_person_cancelled_is_said_to_be_cancelled(by: str) -> None:
    cancelled = replace(FACTS.appointment, status=AppointmentStatus.CANCELLED, cancelled_by=by)
    mail = LETTERS.write(Channel.EMAIL, replace(FACTS, kind="cancelled", appointment=cancelled))
    assert mail.subject.startswith("Cancelled: ")


@pytest.mark.parametrize("locale", ["en", "pt", "de"])
def test_an_offer_says_until_when_it_is_kept_and_has_nothing_for_a_calendar(locale: str) -> None:
    facts = replace(
        FACTS, kind="waitlist-offer", locale=locale, expires_at=datetime(2026, 7, 14, 12, 45, tzinfo=UTC)
    )
    mail = LETTERS.write(Channel.EMAIL, facts)
    assert mail.html is not None
    for text in (mail.text, mail.html):
        assert "13:45" in text
        assert FACTS.manage_url in text
        assert FACTS.calendar_url not in text


def test_a_service_without_a_name_is_an_appointment() -> None:
    assert "Your appointment" in LETTERS.write(Channel.EMAIL, replace(FACTS, service=None)).subject


def test_what_people_typed_is_escaped_and_stays_on_its_line() -> None:
    typed = "<script>alert(1)</script>\r\nBcc: thief@evil.example\x00 {{ manage_url }} & “ü”"
    facts = replace(FACTS, business=typed, customer=typed, service=typed, staff=(typed,), address=typed)
    mail = LETTERS.write(Channel.EMAIL, facts)
    assert mail.html is not None
    assert "<script>" not in mail.html
    assert (
        "&lt;script&gt;alert(1)&lt;/script&gt; Bcc: thief@evil.example {{ manage_url }} &amp; “ü”"
        in mail.html
    )
    assert len(mail.subject.splitlines()) == 1
    assert len(mail.subject) <= 200
    assert not any(line.startswith("Bcc:") for line in mail.text.splitlines())


def test_one_line_drops_what_has_no_place_in_a_header() -> None:
    assert one_line(" a\r\n b\u2028c\x7f\td ") == "a b c d"


def test_every_mail_says_how_to_get_no_more() -> None:
    for kind in get_args(Kind):
        mail = LETTERS.write(Channel.EMAIL, replace(FACTS, kind=kind))
        assert mail.unsubscribe_url == FACTS.unsubscribe_url
        assert mail.html is not None
        assert FACTS.unsubscribe_url in mail.text
        assert f'<a href="{FACTS.unsubscribe_url}"' in mail.html


@pytest.mark.parametrize(
    ("kind", "status", "method", "shown"),
    [
        ("booked", AppointmentStatus.PENDING, "PUBLISH", "TENTATIVE"),
        ("booked", AppointmentStatus.CONFIRMED, "PUBLISH", "CONFIRMED"),
        ("confirmed", AppointmentStatus.CONFIRMED, "PUBLISH", "CONFIRMED"),
        ("rescheduled", AppointmentStatus.CONFIRMED, "PUBLISH", "CONFIRMED"),
        ("cancelled", AppointmentStatus.CANCELLED, "CANCEL", "CANCELLED"),
    ],
)
def test_news_of_an_appointment_brings_it_for_the_calendar(
    kind: Kind, status: AppointmentStatus, method: str, shown: str
) -> None:
    appointment = replace(FACTS.appointment, status=status, version=4)
    mail = LETTERS.write(Channel.EMAIL, replace(FACTS, kind=kind, appointment=appointment))
    assert mail.calendar is not None
    calendar = Calendar.from_ical(mail.calendar)
    (event,) = calendar.walk("VEVENT")
    assert (calendar["METHOD"], event["STATUS"]) == (method, shown)
    assert mail.calendar_method == method
    assert event["UID"] == f"{appointment.appointment_id}@slotwright"
    assert event["SEQUENCE"] == 3
    assert event.decoded("DTSTART") == STARTS_AT
    assert event["ORGANIZER"] == "mailto:hello@riverside.example"
    assert event["ORGANIZER"].params["CN"] == "Riverside Barbers"
    assert "ATTENDEE" not in event  # nobody is asked to answer


def test_a_reminder_and_a_text_message_bring_none() -> None:
    assert LETTERS.write(Channel.EMAIL, replace(FACTS, kind="reminder")).calendar is None
    assert LETTERS.write(Channel.SMS, FACTS).calendar is None


def test_a_businesss_words_take_the_place_of_ours_and_are_escaped() -> None:
    own = Wording(lead="Dear {{ name }},\n<see> you {{ when }}.")
    mail = LETTERS.write(Channel.EMAIL, FACTS, own)
    assert mail.subject.startswith("Booked: ")
    assert "Dear Ana Costa,\n<see> you Tuesday, 14 July" in mail.text
    assert mail.html is not None
    assert "Dear Ana Costa,<br>&lt;see&gt; you Tuesday, 14 July" in mail.html
    said = LETTERS.write(
        Channel.EMAIL, FACTS, Wording(subject="{{ staff }}:{{ '\n' }}Bcc: x@y.example")
    ).subject
    assert said == "Bo: Bcc: x@y.example"
    sms = LETTERS.write(Channel.SMS, replace(FACTS, kind="reminder"), Wording(text="{{ business }}!"))
    assert sms.text == "Riverside Barbers!"


def test_every_variable_is_documented_and_every_documented_one_is_there() -> None:
    everything = " ".join(f"{{{{ {name} }}}}" for name in VARIABLES)
    LETTERS.check(Wording(lead=everything), (FACTS,))
    page = Path(__file__).parents[3].joinpath("docs/messages.md").read_text("utf-8")
    assert [name for name in VARIABLES if f"| `{name}` | {VARIABLES[name]} |" not in page] == []


@pytest.mark.parametrize("kind", get_args(TemplateKind))
@pytest.mark.parametrize("language", LETTERS.languages)
def test_our_own_words_would_be_taken_from_a_business(kind: TemplateKind, language: str) -> None:
    LETTERS.check(LETTERS.ours(kind, language), (replace(FACTS, locale=language),))


OWNER_FACTS = OwnerFacts(
    business="Riverside Barbers",
    owner="Ada",
    locale="en",
    zone="Europe/Lisbon",
    endpoint=Endpoint(
        tenant_id=new_id(),
        endpoint_id=new_id(),
        version=2,
        url="https://crm.riverside.example:8443/hooks/s3cret-path?token=s3cret-query",
        events=("*",),
        description="The CRM",
        disabled_reason=DisabledFor.FAILING,
        disabled_at=STARTS_AT,
        failing_since=datetime(2026, 7, 9, 8, 15, tzinfo=UTC),
        created_at=datetime(2026, 7, 1, tzinfo=UTC),
    ),
    disabled_at=STARTS_AT,
    page_url="https://book.example/dashboard/webhooks/0197",
)


@pytest.mark.parametrize("reason", [DisabledFor.GONE, DisabledFor.FAILING])
@pytest.mark.parametrize(
    ("locale", "since", "subject"),
    [
        ("en-GB", "Thursday, 9 July 2026, 09:15", "your webhook endpoint at {} is disabled"),
        ("de", "Donnerstag, 9. Juli 2026, 09:15 Uhr", "Ihr Webhook-Endpunkt bei {} ist abgeschaltet"),
        ("pt", "quinta-feira, 9 de julho de 2026, 09:15", "o seu endpoint de webhooks em {} está desativado"),
        ("fr", "Thursday, 9 July 2026, 09:15", "your webhook endpoint at {} is disabled"),
    ],
)
def test_an_owner_reads_which_endpoint_is_disabled_and_why(
    reason: DisabledFor, locale: str, since: str, subject: str
) -> None:
    endpoint = replace(OWNER_FACTS.endpoint, disabled_reason=reason)
    mail = LETTERS.to_owner(replace(OWNER_FACTS, locale=locale, endpoint=endpoint))
    assert mail.html is not None
    assert mail.subject == f"Riverside Barbers: {subject.format('crm.riverside.example')}"
    for text in (mail.text, mail.html):
        for part in ("Ada", "crm.riverside.example", "The CRM", str(endpoint.endpoint_id), "14:30"):
            assert part in text
        assert OWNER_FACTS.page_url in text
        assert (f"{since} (Europe/Lisbon)" in text) == (reason is DisabledFor.FAILING)
        assert ("410 (Gone)" in text) == (reason is DisabledFor.GONE)
        assert "s3cret" not in text
        assert "{{" not in text
    assert (mail.unsubscribe_url, mail.calendar) == (None, None)


def test_what_an_owner_typed_is_escaped_and_stays_on_its_line() -> None:
    typed = "<script>alert(1)</script>\r\nBcc: thief@evil.example {{ host }}"
    endpoint = replace(OWNER_FACTS.endpoint, description=typed)
    mail = LETTERS.to_owner(replace(OWNER_FACTS, business=typed * 5, owner=typed, endpoint=endpoint))
    assert mail.html is not None
    assert "<script>" not in mail.html
    assert (len(mail.subject.splitlines()), len(mail.subject)) == (1, 200)
    assert not any(line.startswith("Bcc:") for line in mail.text.splitlines())


@pytest.mark.parametrize("locale", ["en", "pt", "de"])
def test_an_endpoint_without_a_description_has_no_line_for_it(locale: str) -> None:
    endpoint = replace(OWNER_FACTS.endpoint, description="")
    text = LETTERS.to_owner(replace(OWNER_FACTS, locale=locale, endpoint=endpoint)).text
    lines = text.splitlines()
    assert str(endpoint.endpoint_id) in lines[lines.index("  crm.riverside.example") + 1]


@pytest.mark.parametrize(
    "name",
    [
        "\u0622\u0631\u0627\u06cc\u0634\u200c\u06af\u0627\u0647",
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
        "\U0001f469\u200d\u2695\ufe0f",
        "סלון\u200f!",
    ],
)
def test_names_keep_what_joins_and_parts_their_letters(name: str) -> None:
    """A hairdresser's in Persian, Sri in Sinhala, a doctor, and a mark that ends a name from right to left."""
    facts = replace(FACTS, business=name, customer=name, service=name, staff=(name,), address=name)
    mail, sms = LETTERS.write(Channel.EMAIL, facts), LETTERS.write(Channel.SMS, facts)
    assert mail.calendar is not None
    event = Calendar.from_ical(mail.calendar).walk("VEVENT")[0]
    shown = (str(event["summary"]), str(event["organizer"].params["CN"]))
    for text in (mail.subject, mail.text, mail.html or "", sms.text, *shown):
        assert name in text


def test_no_name_turns_around_what_follows_it() -> None:
    assert one_line("Ana\u202e Costa\u2067\u2069") == "Ana Costa"
