"""Answers to a service's questions: checked against what the business asks now.

Pure; called by booking.placing. An answer is kept with the label as it was asked, so that it stays readable when
the question is changed or goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from booking.domain import Answered
from booking.errors import WrongAnswers
from contracts.business import Question
from servicekit.errors import FieldError

MAX_ANSWER = 2000
"""Characters of a text."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as it came."""

    question_id: UUID
    answer: str | bool


def answered(questions: Sequence[Question], given: Sequence[Given]) -> tuple[Answered, ...]:
    """The answers in the order of the questions. Raises WrongAnswers: each fault by its place in `/answers`."""
    errors: list[FieldError] = []
    known = {question.question_id: question for question in questions}
    found: dict[UUID, str | bool] = {}
    for place, item in enumerate(given):
        question = known.get(item.question_id)
        if question is None:
            errors.append(FieldError(f"/answers/{place}/question_id", "is no question of this service"))
        elif item.question_id in found:
            errors.append(FieldError(f"/answers/{place}/question_id", "is answered twice"))
        else:
            answer = item.answer.strip() if isinstance(item.answer, str) else item.answer
            found[item.question_id] = answer
            if fault := _fault(question, answer):
                errors.append(FieldError(f"/answers/{place}/answer", fault))
    errors += [
        FieldError("/answers", f"{question.label!r} needs an answer")
        for question in questions
        if question.required and question.question_id not in found
    ]
    if errors:
        raise WrongAnswers(errors[0].detail, errors=tuple(errors))
    return _kept(questions, found)


def _fault(question: Question, answer: str | bool) -> str | None:
    if isinstance(answer, bool) != (question.kind == "checkbox"):
        return "must be true or false" if question.kind == "checkbox" else "must be a text"
    if not answer:
        return "has to be answered" if question.required else None
    if isinstance(answer, str) and len(answer) > MAX_ANSWER:
        return f"must have at most {MAX_ANSWER} characters"
    if question.kind == "choice" and answer not in question.choices:
        return "is none of the choices"
    return None


def _kept(questions: Sequence[Question], found: Mapping[UUID, str | bool]) -> tuple[Answered, ...]:
    """A text left empty is no answer."""
    return tuple(
        Answered(question.question_id, question.label, found[question.question_id])
        for question in questions
        if found.get(question.question_id, "") != ""
    )
