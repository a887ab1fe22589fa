"""A service's questions in a form: their fields, the answers as the API takes them, and its faults at their fields.

Used by the booking page, the waitlist's and the dashboard's desk; macros.html shows the fields. `asked` is the list
of questions in the API's answer on a service.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from web.forms import Form

Asked = Sequence[Mapping[str, Any]]


def field(question: Mapping[str, Any]) -> str:
    """The form's field for a question."""
    return f"question-{question['id']}"


def require(form: Form, asked: Asked) -> None:
    """Notes a fault for each required question without an answer."""
    form.require(*(field(item) for item in asked if item["required"]))


def answers(form: Form, asked: Asked) -> list[dict[str, Any]]:
    """What was answered, for the body's `answers`."""
    return [{"question_id": item["id"], "answer": answer} for item, answer in _given(form, asked)]


def answer_fields(form: Form, asked: Asked) -> dict[str, str]:
    """The field of each answer's JSON pointer, for Form.absorb."""
    return {f"/answers/{index}": field(item) for index, (item, _) in enumerate(_given(form, asked))}


def _given(form: Form, asked: Asked) -> Iterator[tuple[Mapping[str, Any], str | bool]]:
    """What was answered, in the order in which it is sent."""
    for item in asked:
        name = field(item)
        if item["kind"] == "checkbox":
            yield item, form.checked(name)
        elif form.get(name):
            yield item, form.get(name)
