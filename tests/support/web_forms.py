"""A page's form as a browser would send it back, for tests of forms that must keep what they show."""

from html.parser import HTMLParser


class _Fields(HTMLParser):
    """Collects the fields of the one form with this action."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self._action = action
        self._within = False
        self._select: str | None = None
        self._options: list[tuple[str, bool]] = []
        self._textarea: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._within = given.get("action") == self._action
        if not self._within:
            return
        name = given.get("name") or ""
        if tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self._add(name, given.get("value") or "")
        elif tag == "select":
            self._select, self._options = name, []
        elif tag == "option":
            self._options.append((given.get("value") or "", "selected" in given))
        elif tag == "textarea":
            self._textarea, self._text = name, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._within = False
        elif tag == "select" and self._select is not None:
            chosen = [value for value, selected in self._options if selected] or [self._options[0][0]]
            self._add(self._select, chosen[0])
            self._select = None
        elif tag == "textarea" and self._textarea is not None:
            self._add(self._textarea, self._text.removeprefix("\n").replace("\n", "\r\n"))
            self._textarea = None

    def _add(self, name: str, value: str) -> None:
        self.fields.setdefault(name, []).append(value)


def as_it_stands(page: str, action: str) -> dict[str, list[str]]:
    """All that is sent of the page's form with this action when nothing is changed in it."""
    parser = _Fields(action)
    parser.feed(page)
    assert parser.fields, f"no form for {action} in\n{page}"
    return parser.fields
