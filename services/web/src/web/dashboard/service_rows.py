"""The rows in a service's form: the rooms and equipment it needs, and the questions that a booking answers.

Used by `web.dashboard.catalog`; dashboard/service.html shows the rows. Empty rows are not sent, so an item may have
another index in the API than in the form: `absorb` puts the API's faults at the right rows.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from web.forms import Form, in_words
from web.gateway_client import ApiProblem

KINDS = {"text": "in their own words", "choice": "with one of the choices", "checkbox": "with a tick"}
"""How a question is answered, by the API's name for it."""
_MOST_NEEDS = 10
_MOST_QUESTIONS = 20
_SPARE = 2
_WORDS = (
    (re.compile(r"^is more than there are in staff_ids$"), "This is more than are chosen above."),
    (re.compile(r"^no staff member has the id .*"), "Somebody who was chosen is gone. Please choose again."),
    (re.compile(r"^no resource has the id .*"), "One of these is gone. Please choose again."),
    (re.compile(r"^stands in the needs already$"), "Each of them can be chosen in one line only."),
    (re.compile(r"^is more than these resources have: (\d+)$"), r"This is more than there are: \1."),
    (
        re.compile(r"^(Value error, )?choices are needed for a choice.*"),
        "Choices are needed where one of them is the answer, and nowhere else.",
    ),
    (re.compile(r"^(Value error, )?two choices are the same$"), "Two of the choices are the same."),
    (re.compile(r"^List should have at most (\d+) items.*"), r"There can be at most \1."),
)
"""The words for faults that the API words by its own field names and ids."""


def fill(form: Form, service: Mapping[str, Any]) -> None:
    """Fills the rows with what the service has."""
    for row, need in enumerate(service["needs"]):
        form.lists[f"need-{row}"] = need["resource_ids"]
        form.values[f"count-{row}"] = str(need["count"])
    for row, asked in enumerate(service["questions"]):
        form.values |= {
            f"question-{row}": asked["label"],
            f"question_id-{row}": asked["id"],
            f"kind-{row}": asked["kind"],
            f"choices-{row}": "\n".join(asked["choices"]),
            f"required-{row}": "yes" if asked["required"] else "",
        }


def typed(form: Form) -> dict[str, Any]:
    """What is in the rows, as the API takes it; notes faults in the form."""
    for row in range(_MOST_QUESTIONS):  # an existing question without words is one to remove
        if form.get(f"choices-{row}") and not form.get(f"question_id-{row}"):
            form.require(f"question-{row}")
    return {
        "needs": [
            {"resource_ids": form.all(f"need-{row}"), "count": form.whole(f"count-{row}")}
            for row in _needs(form)
        ],
        "questions": [
            {
                "id": form.optional(f"question_id-{row}"),
                "label": form.get(f"question-{row}"),
                "kind": form.get(f"kind-{row}") if form.get(f"kind-{row}") in KINDS else "text",
                "choices": _lines(form.get(f"choices-{row}")),
                "required": form.checked(f"required-{row}"),
            }
            for row in _questions(form)
        ],
    }


def rows(form: Form, rooms: int) -> dict[str, range]:
    """The rows that the template shows: those in use and some to add, up to what the API takes.

    A room stands in one row only, so there are no more rows of needs than there are `rooms`.
    """
    needs = 1 + max(_needs(form), default=-1)
    written = (
        row for row in range(_MOST_QUESTIONS) if form.get(f"question-{row}") or form.get(f"choices-{row}")
    )
    questions = 1 + max(written, default=-1) + _SPARE
    return {
        "need_rows": range(max(needs, min(needs + 1, rooms, _MOST_NEEDS))),
        "question_rows": range(min(questions, _MOST_QUESTIONS)),
    }


def absorb(form: Form, problem: ApiProblem, fields: Mapping[str, str]) -> None:
    """Form.absorb, with the API's faults in the lists at their rows; `fields` maps all other pointers."""
    fields_by_pointer = dict(fields)
    for index, row in enumerate(_needs(form)):
        fields_by_pointer |= {f"/needs/{index}": f"need-{row}", f"/needs/{index}/count": f"count-{row}"}
    for index, row in enumerate(_questions(form)):
        fields_by_pointer[f"/questions/{index}/label"] = f"question-{row}"
        # The API reports missing choices at their question.
        fields_by_pointer[f"/questions/{index}"] = f"choices-{row}"
    problem.errors = {pointer: _in_our_words(pointer, said) for pointer, said in problem.errors.items()}
    form.absorb(problem, fields_by_pointer)


def _in_our_words(pointer: str, said: str) -> str:
    if "/choices/" in pointer:  # one of several lines in a field
        return re.sub(r"^This ", "Each of the choices ", in_words(said))
    return next((pattern.sub(words, said) for pattern, words in _WORDS if pattern.match(said)), said)


def _needs(form: Form) -> Iterator[int]:
    return (row for row in range(_MOST_NEEDS) if form.all(f"need-{row}"))


def _questions(form: Form) -> Iterator[int]:
    return (row for row in range(_MOST_QUESTIONS) if form.get(f"question-{row}"))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]
