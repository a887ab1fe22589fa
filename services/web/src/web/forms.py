"""Forms: their values as they came, what is wrong with them, and the API's problems at the right fields.

A page reads a form with `read_form`, and when it or the API finds a fault, renders the same form again with the
values that were typed and a sentence at each field.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from servicekit.errors import PayloadTooLarge, SlotwrightError
from servicekit.ids import new_id
from web.gateway_client import ApiProblem

_WORDS = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r"^String should have at least 1 character$"), "must not be empty"),
    (re.compile(r"^String should have at least (\d+) characters$"), r"must have at least \1 characters"),
    (re.compile(r"^String should have at most (\d+) characters$"), r"must have at most \1 characters"),
    (re.compile(r"^Field required$"), "is needed"),
    (re.compile(r"^Input should be greater than or equal to (\S+)$"), r"must be at least \1"),
    (re.compile(r"^Input should be less than or equal to (\S+)$"), r"must be at most \1"),
    (re.compile(r"^Input should be a valid integer.*"), "must be a whole number"),
    (re.compile(r"^Input should be a valid UUID.*"), "must be chosen from the list"),
    (re.compile(r"^Extra inputs are not permitted$"), "is not known here"),
)
_PHONE = re.compile(r"phone")
NOT_A_NUMBER = "This must be a number with its country code, such as +351912345678."
"""Of a phone number."""
_KEY = re.compile(r"[\x21-\x7e]{1,100}")
_VERSION = re.compile(r"[0-9]{1,9}")
_LARGEST = 256 * 1024
"""Bytes of a form without a file, at most. Parsing one of this size holds up all other requests for up to 80 ms."""


class Outdated(SlotwrightError):
    """Somebody has changed the thing since its form was shown; `page` shows how it stands now."""

    def __init__(self, page: str) -> None:
        super().__init__(f"{page} has changed")
        self.page = page


@dataclass(slots=True)
class Form:
    """What was typed, and what is wrong. `faults` maps field names to sentences; `""` is the form as a whole.

    `files` has the contents of the chosen files, for the fields that `read_form` was told to take files from.
    `status` is the status of the page that shows the form. `outdated` is set where somebody has changed the thing
    meanwhile: the page that shows how it stands now.
    """

    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    status: int = 200
    outdated: str = ""

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def optional(self, name: str) -> str | None:
        """None when nothing was typed."""
        return self.values.get(name) or None

    def checked(self, name: str) -> bool:
        return bool(self.values.get(name))

    def all(self, name: str) -> list[str]:
        return self.lists.get(name, [])

    def prose(self) -> dict[str, str]:
        """What was typed in several words, by the fields' names."""
        return {
            name: value
            for name, value in self.values.items()
            if len(value.split()) > 1 and "password" not in name
        }

    def key(self) -> str:
        """The Idempotency-Key that the page came with; a new one where there is none, or no header can hold it."""
        key = self.get("key")
        return key if _KEY.fullmatch(key) else str(new_id())

    def renew_key(self, why: str) -> None:
        """Gives the form another key, and says `why`: its own was used for something else."""
        self.faults[""], self.values["key"] = why, str(new_id())

    def if_match(self) -> str:
        """The entity tag of the version that the page showed; without a version, a tag that matches nothing."""
        version = self.get("version")
        return f'"v{version if _VERSION.fullmatch(version) else ""}"'

    def whole(self, name: str, words: str = "must be a whole number") -> int | None:
        """A whole number; otherwise notes the fault and answers None."""
        text = self.get(name)
        if re.fullmatch(r"\d{1,9}", text):
            return int(text)
        self.faults[name] = f"This {words}."
        return None

    def require(self, *names: str) -> None:
        """Notes a fault for each field that is empty."""
        for name in names:
            if not self.get(name):
                self.faults.setdefault(name, "This is needed.")

    def absorb(self, problem: ApiProblem, fields: Mapping[str, str]) -> None:
        """Puts an API problem at the fields it is about; `fields` maps JSON pointers to field names."""
        for pointer, detail in problem.errors.items():
            name = next((fields[key] for key in _prefixes(pointer) if key in fields), "")
            self.faults.setdefault(name, in_words(detail, name))
        if not self.faults:
            self.faults[""] = problem.detail or f"{problem.title}."


def _prefixes(pointer: str) -> list[str]:
    parts = pointer.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def in_words(detail: str, name: str = "") -> str:
    """A sentence for a person, out of what a validator says."""
    if _PHONE.search(name) and "pattern" in detail:
        return NOT_A_NUMBER
    if "pattern" in detail:
        return "This has characters that are not allowed here."
    for pattern, words in _WORDS:
        detail = pattern.sub(words, detail)
    if not detail:
        return "This is not right."
    if detail[0].islower():
        detail = f"This {detail}"
    return detail if detail.endswith((".", "!", "?")) else f"{detail}."


def form_of(data: FormData | Mapping[str, Any]) -> Form:
    """A Form of submitted data; values are stripped, files are not looked at."""
    items = data.multi_items() if isinstance(data, FormData) else list(data.items())
    form = Form()
    for name, value in items:
        if isinstance(value, str):
            form.values[name] = value if "password" in name else value.strip()
            form.lists.setdefault(name, []).append(value.strip())
    return form


async def read_form(request: Request, *, files: Mapping[str, int] | None = None) -> Form:
    """The request's form, once its token is checked. Raises web.csrf.ForeignForm, or PayloadTooLarge.

    It is the request's `state.form`, too, once it is certain that a page of ours has sent it: who was signed out
    meanwhile is shown what they have typed (web.errors).

    `files` names the fields that take a file, with the most bytes of each. An empty or missing file is left out of
    the form's files, a larger one is a fault at its field. Other fields take no file.
    """
    wanted = files or {}
    with_files = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    if not with_files and len(await request.body()) > _LARGEST:
        raise PayloadTooLarge(f"A form may have {_LARGEST // 1024} KB at most.")
    async with request.form(max_files=len(wanted), max_fields=600) as data:
        form = form_of(data)
        token = form.values.pop("form_token", "")
        if request.headers.get("sec-fetch-site") == "same-origin":  # a page of ours, whosever its token is
            request.state.form = form
        request.app.state.service.guard.check(request, token)
        request.state.form = form
        for name, most in wanted.items():
            sent = data.get(name)
            if not isinstance(sent, UploadFile) or not sent.size:
                continue
            if sent.size > most:
                form.faults[name] = f"This file is too large: it may have {most // 1024} KB."
            else:
                form.files[name] = await sent.read()
    return form
