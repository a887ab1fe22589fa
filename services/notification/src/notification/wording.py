"""A business's own wording of its messages: what may stand in it, checks it, and renders it.

Used by notification.letters, and by notification.rules when a wording is set. It is Jinja, of which text,
variables, a few filters and conditions may be used: a loop or a product could keep a sender busy for hours, and a
call could reach out of the template. What may be used is checked on the parsed template; the sandbox is the second
defence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

from notification.segments import size
from servicekit.errors import SlotwrightError

TemplateKind = Literal[
    "reminder", "booked", "pending", "confirmed", "rescheduled", "cancelled", "unconfirmed"
]
"""`pending` is what `booked` is called while the business has still to confirm, `unconfirmed` what `cancelled` is
called when it has not done so by the start."""
Part = Literal["subject", "lead", "text"]

VARIABLES: Mapping[str, str] = {
    "name": "the customer's name",
    "business": "the business's name",
    "address": "the business's address; empty when it has none",
    "service": "the service's name",
    "staff": "who performs it, with commas; empty when nobody is named",
    "when": "day and time where the business is, in the customer's language",
    "zone": "the business's time zone, such as Europe/Lisbon",
    "customer_when": "the same where the customer reads it; empty when the clocks agree",
    "customer_zone": "the customer's time zone",
    "previous_when": "what `when` was before it was moved; empty but for `rescheduled`",
    "manage_url": "the page to see, move or cancel the appointment",
    "calendar_url": "the appointment as an .ics file",
    "unsubscribe_url": "the page to get no more reminders",
}
FILTERS = ("upper", "lower", "capitalize", "title", "trim", "truncate", "default")
MAX_SEGMENTS = 10
"""Of a text message, with sample facts; carriers do not take many more."""

_DEEPEST = 20
_TOO_DEEP = "it is nested too deeply"
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Filter,
    nodes.Keyword,
    nodes.If,
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.Concat,
)


@dataclass(frozen=True, slots=True)
class Wording:
    """What a business says in its own words; None where it says it in ours. `text` is a text message's."""

    version: int = 0
    subject: str | None = None
    lead: str | None = None
    text: str | None = None

    def parts(self) -> dict[Part, str]:
        """The business's own words, by part."""
        given: dict[Part, str | None] = {"subject": self.subject, "lead": self.lead, "text": self.text}
        return {part: words for part, words in given.items() if words is not None}


class WordingFault(SlotwrightError):
    """A wording that cannot be used; `detail` names the line and what is wrong there."""

    def __init__(self, part: Part, detail: str) -> None:
        super().__init__(f"{part}: {detail}")
        self.part = part
        self.detail = detail


class Sandbox:
    """Renders what businesses have written."""

    def __init__(self) -> None:
        # Plain text: the frame of a mail escapes what it is given, once.
        self._env = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self._env.filters = {name: self._env.filters[name] for name in FILTERS}
        self._env.tests = {}
        self._env.globals = {}

    def render(self, words: str, values: Mapping[str, str]) -> str:
        """Raises what Jinja raises, and whatever a template can: its filters and constants are Python's."""
        said = self._env.from_string(words).render(values)
        said.encode()  # half a character can be written to nobody
        return said

    def check(self, wording: Wording, samples: Iterable[Mapping[str, str]]) -> None:
        """Raises WordingFault for the first part that cannot be used, if only with one of the samples."""
        facts = list(samples)
        for part, words in wording.parts().items():
            fault = self._parse_fault(words)
            if fault is None:
                fault = next(
                    (found for values in facts if (found := self._render_fault(part, words, values))), None
                )
            if fault is not None:
                raise WordingFault(part, fault)

    def _parse_fault(self, words: str) -> str | None:
        try:
            tree = self._env.parse(words)
        except TemplateSyntaxError as error:
            return f"line {error.lineno}: {error.message}"
        except RecursionError:
            return _TOO_DEEP
        except ValueError as error:  # a number of thousands of digits
            return f"it cannot be read: {error}"
        for node, depth in _nodes(tree):
            if depth > _DEEPEST:
                return f"line {node.lineno}: {_TOO_DEEP}"
            if fault := _not_allowed(node):
                return fault
        return None

    def _render_fault(self, part: Part, words: str, values: Mapping[str, str]) -> str | None:
        try:
            said = self.render(words, values)
        except TemplateError as error:
            return f"it cannot be rendered: {error.message}"
        except Exception as error:  # noqa: BLE001 - as `render` says
            return f"it cannot be rendered: {error}"
        if not said.strip():
            return "nothing is left of it with sample facts"
        if part == "text" and (segments := size(said).segments) > MAX_SEGMENTS:
            return f"it takes {segments} segments with sample facts; {MAX_SEGMENTS} at most"
        return None


def _nodes(tree: nodes.Node) -> Iterable[tuple[nodes.Node, int]]:
    """Each node and how deep it lies; without recursion, as somebody may have nested a thousand."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in reversed(list(node.iter_child_nodes()))]


def _not_allowed(node: nodes.Node) -> str | None:
    if not isinstance(node, _ALLOWED):
        return f"line {node.lineno}: {type(node).__name__} may not stand here; variables, filters and if may"
    if isinstance(node, nodes.Name) and node.name not in VARIABLES:
        return f"line {node.lineno}: there is no variable {node.name}; there are {', '.join(VARIABLES)}"
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        return f"line {node.lineno}: there is no filter {node.name}; there are {', '.join(FILTERS)}"
    return None
