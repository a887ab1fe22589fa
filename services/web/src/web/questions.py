"""A service's questions in a form: their fields, what was answered as the API takes it, its faults at the fields.

Used by the booking page and the waitlist's; macros.html shows the fields. `asked` is the list of questions that the
API tells of a service.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from web.forms import Form

Asked = Sequence[Mapping[str, Any]]


def field(question: Mapping[str, Any]) -> str:
    """The form's field for a question."""
    return f"question-{question['id']}"


def require(form: Form, asked: Asked) -> None:
    """Notes a fault for each required question that is left open."""
    form.require(*(field(item) for item in asked if item["required"]))


def answers(form: Form, asked: Asked) -> list[dict[str, Any]]:
    """What was answered, for the body's `answers`."""
    return [{"question_id": item["id"], "answer": answer} for item, answer in _given(form, asked)]


def places(form: Form, asked: Asked) -> dict[str, str]:
    """The field of each answer's JSON pointer, for Form.absorb."""
    return {f"/answers/{place}": field(item) for place, (item, _) in enumerate(_given(form, asked))}


def _given(form: Form, asked: Asked) -> Iterator[tuple[Mapping[str, Any], str | bool]]:
    """What was answered, in the order in which it is sent."""
    for item in asked:
        name = field(item)
        if item["kind"] == "checkbox":
            yield item, form.checked(name)
        elif form.get(name):
            yield item, form.get(name)
