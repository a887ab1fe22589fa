"""The wording of the messages to customers: which are in the business's words, and a form with a preview for each.

A field that is left unchanged, or empty, keeps the platform's words, also when a later release improves them. One
form has the buttons to save and to preview: either way, what was typed is shown again.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.dashboard.message_words import CHANNELS, FALLBACK, LANGUAGES
from web.dashboard.pressing import press
from web.dashboard.reading import profile
from web.dashboard.sending import REFUSED, sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(prefix="/dashboard/messages/wording", include_in_schema=False)

KINDS = {
    "reminder": ("Reminder", "Some time before the appointment."),
    "booked": ("Booking", "When somebody has booked."),
    "pending": ("Booking to be confirmed", "When somebody has booked, and you have still to confirm it."),
    "confirmed": ("Confirmation", "When you have confirmed a booking."),
    "rescheduled": ("New time", "When an appointment was moved."),
    "cancelled": ("Cancellation", "When an appointment was cancelled."),
    "unconfirmed": (
        "Booking not confirmed",
        "When you had not confirmed it by its start, so that it was cancelled.",
    ),
}
"""What a message is called, and when it goes out."""
PLACEHOLDERS = {
    "name": "the customer's name",
    "service": "what was booked",
    "when": "day and time",
    "staff": "with whom; nothing where nobody is named",
    "business": "the name of your business",
    "address": "your address; nothing where you have none",
    "previous_when": "when it was before it was moved",
    "manage_url": "the link to see, move or cancel the appointment",
    "calendar_url": "the link to put it into a calendar",
    "unsubscribe_url": "the link to get no more reminders",
    "zone": "your time zone",
    "customer_when": "day and time by the customer's clock; nothing where it shows the same as yours",
    "customer_zone": "the customer's time zone",
}
_PARTS = {"email": ("subject", "lead"), "sms": ("text",)}
_LINK = re.compile(r"(https?://[^/\s]+/)\S*0{40,}\S*")
"""A link in a preview. As there is no appointment, its token is all zeros."""
_FAULTS = (
    (r"there is no variable (\w+);.*", r"There is no placeholder {{ \1 }}."),
    (r"there is no filter (\w+); (there are .*)", r"There is no filter \1; \2."),
    (r"\w+ may not stand here;.*", "Only text, placeholders and conditions may stand here."),
    (r"nothing is left of it.*", "Nothing is left of it once it is filled in."),
    (
        r"it takes (\d+) segments .*; (\d+) at most",
        r"This would count as \1 text messages; there may be \2.",
    ),
    (r"it cannot be rendered: (.*)", r"This cannot be filled in: \1."),
)


@dataclass(frozen=True, slots=True)
class Template:
    """One message's wording, which has a page here and a path in the API."""

    kind: str
    channel: str
    language: str

    @property
    def api(self) -> str:
        return f"/v1/message-templates/{self.kind}/{self.channel}/{self.language}"

    @property
    def preview(self) -> str:
        """The API's path for a preview of the words that are sent, or, without any, of those in use."""
        return f"{self.api}/preview"

    @property
    def page(self) -> str:
        return f"{router.prefix}/{self.kind}/{self.channel}/{self.language}"

    @property
    def name(self) -> str:
        return f"{KINDS[self.kind][0]}, by {CHANNELS[self.channel]}"

    @property
    def goes_out(self) -> str:
        return KINDS[self.kind][1]

    @property
    def parts(self) -> tuple[str, ...]:
        return _PARTS[self.channel]

    @property
    def placeholders(self) -> dict[str, str]:
        """Those that have a value in this message."""
        moved = self.kind == "rescheduled"
        return {name: what for name, what in PLACEHOLDERS.items() if moved or name != "previous_when"}


async def _template(kind: str, channel: str, language: str) -> Template:
    written = channel == "email" or (channel == "sms" and kind == "reminder")
    if kind not in KINDS or language not in LANGUAGES or not written:
        raise HTTPException(404)
    return Template(kind, channel, language)


OfTemplate = Annotated[Template, Depends(_template)]


@router.get("")
async def listing(request: Request, site: Site, language: str = "") -> Response:
    business = await profile(request, site)
    usual = business["locale"].partition("-")[0]
    chosen = next((known for known in (language, usual) if known in LANGUAGES), FALLBACK)
    templates = [Template(kind, "email", chosen) for kind in KINDS]
    templates.insert(1, Template("reminder", "sms", chosen))
    found = await asyncio.gather(
        *(site.sessions.call(request, "GET", template.api) for template in templates)
    )
    return site.pages.render(
        request,
        "dashboard/wordings.html",
        templates=[(template, answer.data["own"]) for template, answer in zip(templates, found, strict=True)],
        language=chosen,
        languages=LANGUAGES,
    )


@router.get("/{kind}/{channel}/{language}")
async def show(request: Request, site: Site, template: OfTemplate) -> Response:
    found = await _words(request, site, template)
    form = Form({part: found[part] for part in template.parts} | {"version": str(found["version"])})
    preview = None
    if site.sessions.require(request).owner:  # who may write
        try:
            preview = _cut_short((await site.sessions.call(request, "POST", template.preview, body={})).data)
        except ApiProblem as problem:
            if problem.status != 422:
                raise
            _absorb(form, template, problem)  # written under an older release, in which they were valid
    return _page(request, site, template, form, found, preview)


@router.post("/{kind}/{channel}/{language}")
async def write(request: Request, site: Site, template: OfTemplate) -> Response:
    form = await read_form(request)
    found = await _words(request, site, template)
    words = _own(form, template, found)
    absorb = partial(_absorb, form, template)
    if not words and found["own"]:
        form.faults[""] = "Nothing of your own is left. To have the usual words again, go back to them below."
    if form.checked("preview"):
        answer = await sent(request, site, form, "POST", template.preview, body=words, absorb=absorb)
        return _page(request, site, template, form, found, _cut_short(answer.data) if answer else None)
    if not words and not found["own"]:
        return site.pages.redirect(request, template.page, "These are the usual words already.")
    page = template.page
    if not await sent(request, site, form, "PUT", template.api, body=words, changing=page, absorb=absorb):
        return _page(request, site, template, form, found)
    return site.pages.redirect(request, template.page, "Saved. This is what customers read from now on.")


@router.post("/{kind}/{channel}/{language}/back")
async def go_back(request: Request, site: Site, template: OfTemplate) -> Response:
    form = await read_form(request)
    return await press(
        request,
        site,
        "DELETE",
        template.api,
        back=template.page,
        done="These are the usual words again.",
        refused=REFUSED,
        changing=form,
    )


def _page(
    request: Request,
    site: Web,
    template: Template,
    form: Form,
    found: Mapping[str, Any],
    preview: Mapping[str, Any] | None = None,
) -> Response:
    return site.pages.render(
        request,
        "dashboard/wording.html",
        status=form.status,
        message=template,
        form=form,
        own=found["own"],
        version=found["version"],
        preview=preview,
        languages=LANGUAGES,
    )


async def _words(request: Request, site: Web, template: Template) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (await site.sessions.call(request, "GET", template.api)).data
    return found


def _cut_short(preview: dict[str, Any]) -> dict[str, Any]:
    """A preview whose links do not fill it."""
    return preview | {"text": _LINK.sub(r"\1…", preview["text"])}


def _own(form: Form, template: Template, found: Mapping[str, Any]) -> dict[str, str]:
    """The typed parts that are the business's own: changed now, or its own before."""
    typed = {part: form.get(part).replace("\r\n", "\n") for part in template.parts}
    return {
        part: words
        for part, words in typed.items()
        if words and (part in found["own"] or words != found[part])
    }


def _absorb(form: Form, template: Template, problem: ApiProblem) -> None:
    for part in template.parts:
        words = _in_words(problem.errors.get(f"/{part}", ""), form.get(part))
        if words:
            form.faults[part] = words
    form.absorb(problem, {f"/{part}": part for part in template.parts})


def _in_words(detail: str, typed: str) -> str:
    """What is wrong with a template, for a person; empty for a fault that any field can have."""
    at = re.match(r"line (\d+): ", detail)
    rest = detail[at.end() :] if at else detail
    for pattern, words in _FAULTS:
        if found := re.fullmatch(pattern, rest, re.DOTALL):
            said = found.expand(words)
            break
    else:
        if not at:
            return ""
        said = f"This cannot be read: {rest.rstrip('.')}. A placeholder looks like {{{{ name }}}}."
    return f"Line {at[1]}: {said}" if at and "\n" in typed else said
