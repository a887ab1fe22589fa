"""Pydantic types for requests and answers, so that all services refuse the same things in the same words."""

import datetime as dt
import re
import unicodedata
from typing import Annotated, Any, get_args, get_origin

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from servicekit.localtime import zone_names

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_CONTROL = {chr(code) for code in range(32)} - {"\n", "\r", "\t"} | {"\x7f"}
_MOST_UNKNOWN = 10
REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of the text after them (UAX #9); no name in any script needs one."""
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing: fillers of Hangul, and the Braille pattern without a dot."""


def control_character_fault(value: Any) -> str | None:
    """Why a text cannot be taken, or None; anything but a text has no such fault."""
    if not isinstance(value, str):
        return None
    if any(character in _CONTROL for character in value):
        return "must not contain control characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode"
    return None


class Body(BaseModel):
    """A request body or query: unknown fields are refused, no string holds control characters, and a number or a
    truth value is not written as a text or as each other, which Pydantic would take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_many_unknown(cls, value: Any) -> Any:
        """As one fault. Pydantic has one for each unknown field, and to tell those that a MiB has room for takes
        most of a second, in which nobody else is answered.
        """
        if isinstance(value, dict) and len(value) > len(cls.model_fields) + _MOST_UNKNOWN:
            raise ValueError(
                f"has {len(value)} fields, of which at most {len(cls.model_fields)} are known here"
            )
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_control_characters(cls, value: Any) -> Any:
        if fault := control_character_fault(value):
            raise ValueError(fault)
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_other_types(cls, value: Any, info: ValidationInfo) -> Any:
        declared = cls.model_fields[info.field_name or ""].annotation
        alternatives = get_args(declared) or (declared,)
        kinds = {get_args(each)[0] if get_origin(each) is Annotated else each for each in alternatives}
        if bool in kinds and isinstance(value, int | float | str) and not isinstance(value, bool):
            raise ValueError("must be true or false")
        if int in kinds and isinstance(value, bool | str):
            raise ValueError("must be a whole number")
        return value


def refuse_null(value: Any) -> Any:
    """For the fields of an edit that can be left out, but not emptied: `field_validator("name")(refuse_null)`."""
    if value is None:
        raise ValueError("must not be null; leave it out to keep it")
    return value


class Answer(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def _zone(value: str) -> str:
    if value not in zone_names():
        raise ValueError("must be an IANA time zone, such as Europe/Lisbon")
    return value


def _email(value: str) -> str:
    local, separator, domain = value.rpartition("@")
    labels = domain.split(".")
    fine = (
        separator
        and 0 < len(local) <= 64
        and len(value) <= 254
        and not set(value) & set(' \t\r\n,:;<>()[]"\\')
        and "@" not in local
        and not local.startswith("=?")  # a header's reader may decode it, to another mailbox
        and not local.startswith(".")
        and not local.endswith(".")
        and ".." not in local
        and len(labels) >= 2
        and all(
            label
            and len(label) <= 63
            and not label.startswith("-")
            and not label.endswith("-")
            and all(character.isalnum() or character == "-" for character in label)
            for label in labels
        )
    )
    if not fine:
        raise ValueError("must be an e-mail address")
    return f"{local}@{domain.lower()}"


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _printable(value: Any) -> Any:
    """In a list, too, which Body does not look into."""
    if fault := control_character_fault(value):
        raise ValueError(fault)
    return value


def _one_line(value: str) -> str:
    if len(value.splitlines()) > 1:
        raise ValueError("must be one line")
    return value


def _readable(value: str) -> str:
    if not REORDERING.isdisjoint(value):
        raise ValueError("must not hold characters that change the direction of the text behind them")
    if all(unicodedata.category(char) in _INVISIBLE or char in _BLANK for char in value):
        raise ValueError("must have a character that can be seen")
    return value


def _written(value: Any, form: re.Pattern[str], example: str) -> Any:
    """Pydantic alone would take numbers for dates and times, and times with an offset for local ones."""
    if (isinstance(value, str) and not form.fullmatch(value)) or isinstance(value, int | float):
        raise ValueError(f"must be written like {example}")
    return value


def _within_years(value: dt.datetime) -> dt.datetime:
    if not 2000 <= value.year < 2100:
        raise ValueError("must lie in the years 2000 to 2099")
    return value


TimeZone = Annotated[str, AfterValidator(_zone), Field(json_schema_extra={"format": "time-zone"})]
"""An IANA zone name."""

Instant = Annotated[
    AwareDatetime,
    BeforeValidator(lambda value: _written(value, _INSTANT, "2026-03-29T09:30:00+01:00")),
    AfterValidator(_within_years),
]
"""RFC 3339 with an offset; within the years of LocalDate, so that no zone's arithmetic leaves the calendar."""

LocalDate = Annotated[
    dt.date,
    BeforeValidator(lambda value: _written(value, _DATE, "2026-03-29")),
    Field(ge=dt.date(2000, 1, 1), le=dt.date(2099, 12, 31)),
]
"""A calendar date, where the business is; within years whose clock changes can all be computed."""

LocalTime = Annotated[dt.time, BeforeValidator(lambda value: _written(value, _TIME, "09:30"))]
"""A time of day on the wall where the business is, without an offset."""

EmailAddress = Annotated[
    str, BeforeValidator(_stripped), AfterValidator(_email), Field(json_schema_extra={"format": "email"})
]
"""An address as SMTP can take it (RFC 5321 lengths, dot-atom); its domain lower-cased."""

# Pydantic runs a BeforeValidator the earlier the further right it stands: _printable comes first.
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120),
    AfterValidator(_one_line),
    AfterValidator(_readable),
    BeforeValidator(_printable),
]
"""One line, as names stand in the subjects of mails; it can be seen, and leaves what stands beside it in order."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), BeforeValidator(_printable)]
Phone = Annotated[
    str,
    Field(pattern=r"^\+[1-9][0-9]{6,14}$", description="A number in E.164 format, such as +351912345678."),
]
LOCALE = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"
Locale = Annotated[str, Field(pattern=LOCALE, description="A BCP 47 language tag, such as pt-PT or es-419.")]
