"""What messages say: subject, text and HTML of a mail, or the text of an SMS, in their reader's language.

Called by notification.drafts with what is known, and by notification.rules with samples. Our words stand in
`locales/<language>.toml`, the frames of mails in `templates/`; a business may say some of it in its own
(notification.wording). Everything that comes from people is escaped in HTML, and put on one line: a name with a
line break in it must not become a header.
"""

import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined, Template

from contracts.booking import Channel
from notification.domain import Appointment, AppointmentStatus, CustomerKind
from notification.webhooks.domain import KEPT_DAYS, Endpoint
from notification.wording import Part, Sandbox, TemplateKind, Wording
from servicekit.http.models import REORDERING
from servicekit.ical import CalendarEvent, EventStatus, Method, Organizer, calendar_file
from servicekit.localtime import zone_or

_FALLBACK = "en"
_LONGEST_SUBJECT = 200

Section = TemplateKind | Literal["waitlist-offer"]
"""A section of `locales/<language>.toml`; that of an offer is none that a business may reword."""
_EVENT_STATUS: dict[AppointmentStatus, EventStatus] = {
    AppointmentStatus.PENDING: "TENTATIVE",
    AppointmentStatus.CANCELLED: "CANCELLED",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message to a customer is written from. `service` is None while the catalog has not told its name."""

    kind: CustomerKind
    business: str
    address: str | None
    business_zone: str
    customer: str
    locale: str
    service: str | None
    staff: tuple[str, ...]
    appointment: Appointment
    previous_starts_at: datetime | None
    expires_at: datetime
    manage_url: str
    """Where to see and change the appointment, or to take the time that is offered."""
    calendar_url: str
    unsubscribe_url: str
    organizer: str
    """The address that a calendar names as the event's organizer."""
    written_at: datetime

    @property
    def section(self) -> Section:
        """Which wording applies."""
        if self.kind == "booked" and self.appointment.status is AppointmentStatus.PENDING:
            return "pending"
        if self.kind == "cancelled" and self.appointment.ran_out:
            return "unconfirmed"
        return self.kind


@dataclass(frozen=True, slots=True)
class OwnerFacts:
    """What the mail to an owner about an endpoint that was disabled at `disabled_at` is written from."""

    business: str
    owner: str
    locale: str
    zone: str
    endpoint: Endpoint
    disabled_at: datetime
    page_url: str
    """Where the dashboard has the endpoint, with its log."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in words; `html` is None for a text message. Mails may carry a calendar's file, with its method."""

    subject: str
    text: str
    html: str | None
    unsubscribe_url: str | None = None
    calendar: bytes | None = None
    calendar_method: Method | None = None


class Letters:
    """Knows the languages. Reading them once makes a mistake in one fail at the start."""

    def __init__(self) -> None:
        self._text = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - plain text
        self._html = Environment(undefined=StrictUndefined, autoescape=True)
        self._own = Sandbox()
        self._phrases: dict[str, Template] = {}
        package = files("notification")
        self._words: dict[str, dict[str, Any]] = {
            entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text("utf-8"))
            for entry in package.joinpath("locales").iterdir()
            if entry.name.endswith(".toml")
        }
        templates = package.joinpath("templates")
        self._mail = self._text.from_string(templates.joinpath("mail.txt").read_text("utf-8"))
        self._mail_html = self._html.from_string(templates.joinpath("mail.html").read_text("utf-8"))
        self._owner = self._text.from_string(templates.joinpath("owner.txt").read_text("utf-8"))
        self._owner_html = self._html.from_string(templates.joinpath("owner.html").read_text("utf-8"))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that messages can be written in."""
        return tuple(sorted(self._words))

    def language(self, locale: str) -> str:
        """The language of a BCP 47 tag if messages can be written in it, else English."""
        language = locale.partition("-")[0].lower()
        return language if language in self._words else _FALLBACK

    def ours(self, kind: Section, language: str) -> Wording:
        """The platform's wording, in the parts that a business may replace."""
        words = self._words[language][kind]
        return Wording(subject=words["subject"], lead=words["lead"], text=words["sms"])

    def check(self, own: Wording, samples: tuple[Facts, ...]) -> None:
        """Raises WordingFault where a business's wording cannot be used for one of the samples."""
        self._own.check(own, [self._values(facts) for facts in samples])

    def write(self, channel: Channel, facts: Facts, own: Wording | None = None) -> Letter:
        """The message for a channel; what a business has written itself may raise what Jinja raises."""
        language = self.language(facts.locale)
        words = self._words[language]
        ours = self.ours(facts.section, language).parts()
        theirs = own.parts() if own is not None else {}
        values = self._values(facts)

        def said(part: Part) -> str:
            if part in theirs:
                return self._own.render(theirs[part], values)
            return self._plain(ours[part], values)

        if channel is Channel.SMS:
            return Letter("", said("text"), None)
        subject = _subject(said("subject"))
        frame = {
            "locale": language,
            "changeable": facts.kind != "cancelled",
            "booked": facts.kind != "waitlist-offer",
            "subject": subject,
        }
        # A section may have its own words for these.
        special = words[facts.section]
        phrases = {
            name: special.get(name, words[name]) for name in ("greeting", "with", "your_time", "footer")
        }
        fixed = {name: special.get(name, words[name]) for name in ("manage", "calendar", "unsubscribe")}
        plain = {name: self._plain(phrase, values) for name, phrase in phrases.items()} | {
            "lead": said("lead")
        }
        # Only where the appointment is new or has changed.
        with_calendar = facts.kind not in {"reminder", "waitlist-offer"}
        # Not escaped here: the frame does, once.
        return Letter(
            subject,
            self._mail.render({**values, **frame, **fixed, **plain}) + "\n",
            self._mail_html.render({**values, **frame, **fixed, **plain}),
            unsubscribe_url=facts.unsubscribe_url,
            calendar=_calendar(facts, values) if with_calendar else None,
            calendar_method=_method(facts) if with_calendar else None,
        )

    def to_owner(self, facts: OwnerFacts) -> Letter:
        """A mail in the platform's words; without a link to unsubscribe, as it comes once for each disabling."""
        language = self.language(facts.locale)
        words = self._words[language]
        special = words["webhook-disabled"]
        endpoint, zone = facts.endpoint, zone_or(facts.zone, ZoneInfo("UTC"))
        since = endpoint.failing_since or facts.disabled_at
        values = {
            "name": one_line(facts.owner),
            "business": one_line(facts.business),
            # Of the address the host alone: receivers put tokens into paths and queries.
            "host": one_line(urlsplit(endpoint.url).hostname or ""),
            "description": one_line(endpoint.description),
            "endpoint_id": str(endpoint.endpoint_id),
            "page_url": facts.page_url,
            "when": _when(words, facts.disabled_at.astimezone(zone)),
            "since": _when(words, since.astimezone(zone)),
            "zone": zone.key,
            "days": str(KEPT_DAYS),
        }
        said = {
            name: self._plain(phrase, values)
            for name, phrase in ({"greeting": words["greeting"]} | special).items()
        }
        frame = {
            **values,
            **said,
            "subject": _subject(said["subject"]),
            "lead": said[f"{endpoint.disabled_reason}"],
        }
        return Letter(
            frame["subject"],
            self._owner.render(frame, locale=language) + "\n",
            self._owner_html.render(frame, locale=language),
        )

    def _plain(self, phrase: str, values: dict[str, Any]) -> str:
        """One of the platform's phrases, compiled once: for each mail anew that was most of its writing."""
        if phrase not in self._phrases:
            self._phrases[phrase] = self._text.from_string(phrase)
        return self._phrases[phrase].render(values)

    def _values(self, facts: Facts) -> dict[str, str]:
        """Every variable of notification.wording."""
        words = self._words[self.language(facts.locale)]
        appointment = facts.appointment
        home = zone_or(facts.business_zone, ZoneInfo("UTC"))
        away = zone_or(appointment.timezone, home)
        starts_at = appointment.starts_at
        elsewhere = starts_at.astimezone(away).utcoffset() != starts_at.astimezone(home).utcoffset()
        previous = facts.previous_starts_at
        return {
            "name": one_line(facts.customer),
            "business": one_line(facts.business),
            "address": one_line(facts.address or ""),
            "service": one_line(facts.service or words["appointment"]),
            "staff": one_line(", ".join(facts.staff)),
            "when": _when(words, starts_at.astimezone(home)),
            "zone": home.key,
            "customer_when": _when(words, starts_at.astimezone(away)) if elsewhere else "",
            "customer_zone": away.key,
            "until": _when(words, facts.expires_at.astimezone(home)),
            "previous_when": _when(words, previous.astimezone(home)) if previous else "",
            "manage_url": facts.manage_url,
            "calendar_url": facts.calendar_url,
            "unsubscribe_url": facts.unsubscribe_url,
        }


def one_line(text: str) -> str:
    """Without line breaks and other control characters, which have no place in a header or a subject.

    Format characters that join or separate letters stay: Persian, Sinhala and many emoji need them.
    """
    return " ".join("".join(char if _is_allowed(char) else " " for char in text).split())


def _is_allowed(char: str) -> bool:
    return char.isprintable() or (unicodedata.category(char) == "Cf" and char not in REORDERING)


def _subject(text: str) -> str:
    subject = one_line(text)
    return subject if len(subject) <= _LONGEST_SUBJECT else subject[: _LONGEST_SUBJECT - 1] + "…"


def _when(words: dict[str, Any], local: datetime) -> str:
    pattern: str = words["when"]
    return pattern.format(
        weekday=words["weekdays"][local.weekday()],
        day=local.day,
        month=words["months"][local.month - 1],
        year=local.year,
        time=f"{local:%H:%M}",
    )


def _method(facts: Facts) -> Method:
    """PUBLISH asks for no answer, which nobody would read; CANCEL takes back what was published (RFC 5546)."""
    return "CANCEL" if facts.appointment.status is AppointmentStatus.CANCELLED else "PUBLISH"


def _calendar(facts: Facts, values: dict[str, str]) -> bytes:
    """The appointment as it stands, for the reader's calendar."""
    appointment = facts.appointment
    event = CalendarEvent(
        appointment_id=appointment.appointment_id,
        version=appointment.version,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        status=_EVENT_STATUS.get(appointment.status, "CONFIRMED"),
        summary=f"{values['service']} – {values['business']}",
        stamp=facts.written_at,
        url=facts.manage_url,
        location=values["address"] or None,
    )
    organizer = Organizer(values["business"], facts.organizer)
    return calendar_file(event, method=_method(facts), organizer=organizer)
