"""A business's own wording of its messages, by kind, channel and language (docs/messages.md)."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import Field, StringConstraints

from contracts.booking import Channel
from notification.routes.deps import MessageRules
from notification.segments import size
from notification.wording import Part, TemplateKind, Wording
from servicekit.errors import FieldError, Invalid
from servicekit.http.headers import IfMatch, etag
from servicekit.http.models import Answer, Body
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(prefix="/v1/message-templates/{kind}/{channel}/{language}", tags=["message templates"])

Language = Annotated[
    str, Path(max_length=8, description="A language that messages are written in: de, en or pt.")
]
Subject = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]

_OF: dict[Channel, tuple[Part, ...]] = {Channel.EMAIL: ("subject", "lead"), Channel.SMS: ("text",)}


class WordingBody(Body):
    """A part that is left out or null keeps the platform's words."""

    subject: Subject | None = Field(
        default=None, description="The subject of a mail, one line: a Jinja template."
    )
    lead: Words | None = Field(
        default=None, description="The beginning of a mail, below the greeting: a Jinja template."
    )
    text: Words | None = Field(default=None, description="A text message: a Jinja template.")


class TemplateAnswer(Answer):
    """The words in use; `own` names the parts in the business's own words."""

    kind: TemplateKind
    channel: Channel
    language: str
    version: int
    own: list[Part]
    subject: str | None
    lead: str | None
    text: str | None


class PreviewAnswer(Answer):
    """A message with sample data. `encoding`, `units` and `segments` are set for text messages only."""

    subject: str | None
    text: str
    html: str | None
    encoding: str | None = Field(description="GSM-7, or UCS-2 when a character is not in GSM-7.")
    units: int | None = Field(description="Septets in GSM-7, UTF-16 code units in UCS-2.")
    segments: int | None = Field(description="How many of the plan's text messages it counts for.")


def _wording(channel: Channel, body: WordingBody) -> Wording:
    wording = Wording(subject=body.subject, lead=body.lead, text=body.text)
    given = wording.parts()
    strange = [part for part in given if part not in _OF[channel]]
    if strange:
        kind = "a mail" if channel is Channel.EMAIL else "a text message"
        raise Invalid(
            f"{kind} has no {strange[0]}",
            errors=tuple(FieldError(f"/{part}", f"{kind} has none") for part in strange),
        )
    if "subject" in given and len(given["subject"].splitlines()) > 1:
        raise Invalid.field("/subject", "must be one line")
    return wording


def _answer(
    kind: TemplateKind, channel: Channel, language: str, words: tuple[Wording, Wording], response: Response
) -> TemplateAnswer:
    own, ours = words
    response.headers["ETag"] = etag(own.version)
    said = {**ours.parts(), **own.parts()}
    return TemplateAnswer(
        kind=kind,
        channel=channel,
        language=language,
        version=own.version,
        own=list(own.parts()),
        subject=said.get("subject"),
        lead=said.get("lead"),
        text=said.get("text"),
    )


@router.get("", summary="Read a message's words")
async def read_template(
    kind: TemplateKind,
    channel: Channel,
    language: Language,
    who: Member,
    rules: MessageRules,
    response: Response,
) -> TemplateAnswer:
    words = await rules.wording(who.tenant_id, kind, channel, language)
    return _answer(kind, channel, language, words, response)


@router.put("", summary="Replace a message's words")
async def replace_template(
    kind: TemplateKind,
    channel: Channel,
    language: Language,
    body: WordingBody,
    who: Owner,
    version: IfMatch,
    rules: MessageRules,
    response: Response,
) -> TemplateAnswer:
    """The words are tried with sample data first. A fault is answered as a problem that names the part, the line
    and what is wrong."""
    wanted = _wording(channel, body)
    if not wanted.parts():
        names = " or ".join(_OF[channel])
        raise Invalid.field(f"/{_OF[channel][0]}", f"say {names}; DELETE goes back to the platform's words")
    words = await rules.replace_wording(who.tenant_id, kind, channel, language, version, wanted)
    return _answer(kind, channel, language, words, response)


@router.delete("", status_code=204, summary="Delete the business's own words")
async def delete_template(
    kind: TemplateKind,
    channel: Channel,
    language: Language,
    who: Owner,
    version: IfMatch,
    rules: MessageRules,
) -> None:
    """Goes back to the platform's words."""
    await rules.drop_wording(who.tenant_id, kind, channel, language, version)


@router.post("/preview", summary="Preview a message")
async def preview_template(
    kind: TemplateKind,
    channel: Channel,
    language: Language,
    who: Owner,
    rules: MessageRules,
    body: WordingBody,
) -> PreviewAnswer:
    """Shows the message with sample data, in the words of the request, else in those in use. Nothing is stored."""
    given = _wording(channel, body)
    letter = await rules.preview(who.tenant_id, kind, channel, language, given if given.parts() else None)
    taken = size(letter.text) if channel is Channel.SMS else None
    return PreviewAnswer(
        subject=letter.subject or None,
        text=letter.text,
        html=letter.html,
        encoding=taken.encoding if taken else None,
        units=taken.units if taken else None,
        segments=taken.segments if taken else None,
    )
