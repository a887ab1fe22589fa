"""What messages say: subject, text and HTML of a mail, or the text of an SMS, in the customer's language.

Called by notification.delivery with what is known. The words stand in `locales/<language>.toml`, the frame of a
mail in `templates/`. Everything that comes from people is escaped in HTML, and put on one line: a name with a
line break in it must not become a header.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, StrictUndefined

from contracts.booking import Channel
from notification.domain import Appointment, AppointmentStatus, MessageKind

_FALLBACK = "en"
_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message is written from. `service` is None while the catalog has not told its name."""

    kind: MessageKind
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


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in words; `html` is None for a text message."""

    subject: str
    text: str
    html: str | None


class Letters:
    """Knows the languages. Reading them once makes a mistake in one fail at the start."""

    def __init__(self) -> None:
        self._text = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - plain text
        self._html = Environment(undefined=StrictUndefined, autoescape=True)
        package = files("notification")
        self._words: dict[str, dict[str, Any]] = {
            entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text("utf-8"))
            for entry in package.joinpath("locales").iterdir()
            if entry.name.endswith(".toml")
        }
        templates = package.joinpath("templates")
        self._mail = self._text.from_string(templates.joinpath("mail.txt").read_text("utf-8"))
        self._mail_html = self._html.from_string(templates.joinpath("mail.html").read_text("utf-8"))

    def language(self, locale: str) -> str:
        """The language of a BCP 47 tag that we have words in, else English."""
        language = locale.partition("-")[0].lower()
        return language if language in self._words else _FALLBACK

    def write(self, channel: Channel, facts: Facts) -> Letter:
        """The message for a channel."""
        language = self.language(facts.locale)
        words = self._words[language]
        section: str = facts.kind
        if facts.kind == "booked" and facts.appointment.status is AppointmentStatus.PENDING:
            section = "pending"
        values = self._values(words, facts)
        if channel is Channel.SMS:
            return Letter("", self._plain(words[section]["sms"], values), None)
        subject = self._plain(words[section]["subject"], values)
        if len(subject) > _LONGEST_SUBJECT:
            subject = subject[: _LONGEST_SUBJECT - 1] + "…"
        frame = {
            "locale": language,
            "changeable": facts.kind != "cancelled",
            "booked": facts.kind != "waitlist-offer",
            "subject": subject,
        }
        # A kind may say it in words of its own.
        phrases = {
            name: words[section].get(name, words[name])
            for name in ("greeting", "with", "your_time", "footer")
        }
        phrases["lead"] = words[section]["lead"]
        fixed = {name: words[section].get(name, words[name]) for name in ("manage", "calendar")}
        plain = {name: self._plain(phrase, values) for name, phrase in phrases.items()}
        # Not escaped here: the frame does, once.
        return Letter(
            subject,
            self._mail.render({**values, **frame, **fixed, **plain}) + "\n",
            self._mail_html.render({**values, **frame, **fixed, **plain}),
        )

    def _plain(self, phrase: str, values: dict[str, Any]) -> str:
        return self._text.from_string(phrase).render(values)

    def _values(self, words: dict[str, Any], facts: Facts) -> dict[str, Any]:
        appointment = facts.appointment
        home = _zone(facts.business_zone, ZoneInfo("UTC"))
        away = _zone(appointment.timezone, home)
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
        }


def one_line(text: str) -> str:
    """Without line breaks and other control characters, which have no place in a header or a subject."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _zone(name: str, otherwise: ZoneInfo) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # ValueError: no name of a zone at all
        return otherwise


def _when(words: dict[str, Any], local: datetime) -> str:
    pattern: str = words["when"]
    return pattern.format(
        weekday=words["weekdays"][local.weekday()],
        day=local.day,
        month=words["months"][local.month - 1],
        year=local.year,
        time=f"{local:%H:%M}",
    )
