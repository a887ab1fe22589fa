"""A service's question as answers show it: business tells it on the public page, booking to whoever waits."""

from uuid import UUID

from contracts.business import Question
from servicekit.http.models import Answer


class QuestionAnswer(Answer):
    id: UUID
    label: str
    kind: str
    choices: list[str]
    required: bool

    @classmethod
    def of(cls, question: Question) -> "QuestionAnswer":
        return cls(
            id=question.question_id,
            label=question.label,
            kind=question.kind,
            choices=question.choices,
            required=question.required,
        )
