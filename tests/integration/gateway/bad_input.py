"""Wrong requests, derived from what the OpenAPI document says of an operation: each is a good one with one fault.

Used by test_bad_input.py. A fault says which statuses are right for it and, where a field is to blame, the pointer
that the problem has to name. No schema of the document may be beyond this module: it raises rather than skip one.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

Document = dict[str, Any]
Where = tuple[str | int, ...]

UNKNOWN_ID = "01920000-0000-7000-8000-000000000000"
MEBIBYTE = 1024 * 1024
_TYPES: dict[str, list[Any]] = {
    "string": [7, True, ["x"], {"x": 1}],
    "integer": ["7", "many", 1.5, True, [7], {"x": 1}],
    "boolean": ["true", "yes", 0, 1, [True], {"x": 1}],
    "array": ["x", 7, {"x": 1}],
    "object": ["x", 7, ["x"]],
}
_FORMATS: dict[str, list[str]] = {
    "uuid": ["", "42", "0192", "'; DROP TABLE appointment; --"],
    "email": ["", "ada", "ada@", "ada@riverside", "a b@riverside.example", "a@b@c.example", "ada@-x.example"],
    "time-zone": ["", "Europe/Lisbonn", "europe/lisbon", "GMT+1", "../../etc/passwd", "+01:00"],
    "date-time": [
        "",
        "tomorrow",
        "1893456000",
        "2031-01-01",
        "2031-01-01T10:00:00",
        "2031-02-30T10:00:00Z",
        "2031-01-01T25:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
    "date": ["", "tomorrow", "1893456000", "2031-02-30", "31.1.2031", "0001-01-01", "9999-12-31"],
    "time": ["", "noon", "9:00", "25:00", "09:00+01:00", "32400"],
    "password": [""],
}
_CONTROL = ["a\x00b", "a\x07b", "\x1b[31m", "a\x7f"]
_NO_PATTERN_ALLOWS = "\u00a7 $"


@dataclass(frozen=True)
class Good:
    """A request that is granted. `path` is filled in from `path_values`; `sign` makes headers of a raw body.

    `granted` are the statuses of its answer. `others` are another tenant's ids, by the name of parameter or field.
    `together` are changes of body or query that are wrong only together, each with the field that is told to be.
    `silent` says that of an id in the path nothing is told: one that is unknown is answered as a known one is.
    """

    path_values: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    person: Any = None
    sign: Any = None
    granted: tuple[int, ...] = (200, 201, 202, 204)
    others: dict[str, str] = field(default_factory=dict)
    together: tuple[tuple[dict[str, Any], str], ...] = ()
    silent: bool = False


@dataclass(frozen=True)
class Bad:
    """A request and what is right for an answer. `pointer` None: no field of body, path or query is to blame.

    `chunked` sends the content without its length. `lists` allows a list's filter to find nothing instead.
    """

    what: str
    good: Good
    statuses: tuple[int, ...] = (422,)
    pointer: str | None = None
    content: bytes | None = None
    chunked: bool = False
    lists: bool = False


def pointer_to(where: Where) -> str:
    return "".join(f"/{part}" for part in where) or "/"


def wrong_requests(document: Document, method: str, operation: Document, good: Good) -> Iterator[Bad]:
    """Every fault that the operation's own description gives rise to."""
    for parameter in operation.get("parameters", []):
        place, name = parameter["in"], parameter["name"]
        schema = resolved(parameter["schema"], document)
        if place == "path":
            yield from _path(name, schema, good)
        elif place == "query":
            yield from _query(name, schema, good, required=parameter.get("required", False))
        elif place == "header":
            yield from _header(name, good)
        else:
            raise AssertionError(f"no faults are known for parameters in {place}")
    if operation.get("security"):
        for what, token in (("no token", ""), ("no Bearer", "Basic YTpi"), ("no real token", "Bearer x.y.z")):
            headers = good.headers | ({"Authorization": token} if token else {})
            yield Bad(what, replace(good, headers=headers, person=None), (401,))
    for change, pointer in good.together:
        changed = {"query": good.query | change} if pointer.startswith("?") else {"body": good.body | change}
        yield Bad(f"{change} together", replace(good, **changed), pointer=pointer)
    query = good.query | {"bogus": "1"}
    yield Bad("an unknown parameter", replace(good, query=query), pointer="?bogus")
    if "requestBody" in operation:
        taken = operation["requestBody"]
        ((kind, part),) = taken["content"].items()
        if kind == "text/calendar":
            yield from _calendars(good)
        else:
            schema = resolved(part["schema"], document)
            yield from _bodies(schema, document, good, optional=not taken.get("required", False))
    elif method in {"POST", "PUT", "PATCH"}:
        yield Bad("a field of a body that is not read", good, pointer="/bogus", content=b'{"bogus": 1}')
        yield Bad("a list for a body that is not read", good, pointer="/", content=b"[1]")
        yield from _too_large(good)


def _path(name: str, schema: Document, good: Good) -> Iterator[Bad]:
    def at(value: str) -> Good:
        return replace(good, path_values=good.path_values | {name: quote(value, safe="")})

    form = schema.get("format")
    missing = (204,) if good.silent else (404,)
    for value in _FORMATS.get(form or "", []):
        if value:  # an empty segment is another path
            yield Bad(f"{name}={value}", at(value), (404, 422), pointer=f"path:{name}")
    for value in _CONTROL:
        yield Bad(f"control characters in {name}", at(value), (400, 404, 422))
    if form == "date" and good.body is not None:
        yield Bad(f"a past {name}", at("2020-02-29"), pointer=f"path:{name}")
    if form == "uuid":
        yield Bad(f"an unknown {name}", at(UNKNOWN_ID), missing)
    elif form is None:
        for value in ("no-such", "x" * 300, "§", "a%2Fb"):
            yield Bad(f"an unknown {name}", at(value), (404, 422))
    if name in good.others:
        yield Bad(f"another tenant's {name}", at(good.others[name]), missing)


def _query(name: str, schema: Document, good: Good, *, required: bool) -> Iterator[Bad]:
    def having(value: str) -> Good:
        return replace(good, query=good.query | {name: value})

    pointer = f"?{name}"
    if required:
        less = {key: value for key, value in good.query.items() if key != name}
        yield Bad(f"no {name}", replace(good, query=less), pointer=pointer)
    kind, _nullable = _kind(schema)
    for value in _wrong_texts(kind):
        yield Bad(f"{name}={value!r}", having(value), pointer=pointer)
    for value in _CONTROL:
        yield Bad(f"control characters in {name}", having(value), pointer=pointer)
    if name == "cursor":
        for value in ("!!!", "WyJ4Il0", "e30", "WyIiLCAiIl0", "WyJcdTAwMDAiXQ", "W1tbW1tb", "é"):
            yield Bad(f"{name}={value!r}", having(value), pointer=pointer)
    if kind.get("format") == "uuid":
        yield Bad(f"an unknown {name}", having(UNKNOWN_ID), pointer=pointer, lists=not required)
        if name in good.others:
            yield Bad(
                f"another tenant's {name}", having(good.others[name]), pointer=pointer, lists=not required
            )


def _wrong_texts(kind: Document) -> Iterator[str]:
    """What a query parameter of this kind may not be; it comes as text, whatever it is."""
    if "enum" in kind or "const" in kind or "pattern" in kind:
        yield _NO_PATTERN_ALLOWS
    yield from _FORMATS.get(kind.get("format", ""), [])
    if kind.get("type") == "integer":
        yield from ("", "many", "1.5", "9" * 30)
        for bound, step in (("minimum", -1), ("maximum", 1)):
            if bound in kind:
                yield str(kind[bound] + step)
    if "maxLength" in kind:
        yield "x" * (kind["maxLength"] + 1)


def _header(name: str, good: Good) -> Iterator[Bad]:
    def having(value: str | None) -> Good:
        others = {key: given for key, given in good.headers.items() if key.lower() != name.lower()}
        return replace(good, headers=others if value is None else others | {name: value})

    if name.lower() == "idempotency-key":
        for value in ("", "a b", "x" * 256):
            yield Bad(f"{name}: {value!r}", having(value), pointer="header:Idempotency-Key")
    elif name.lower() == "if-match":
        yield Bad(f"no {name}", having(None), (428,))
        for value in ("", "v1", '"v0"', 'W/"v1"', '"v999999999"', '"v99999999999999999999"'):
            yield Bad(f"{name}: {value!r}", having(value), (412,))
    else:
        raise AssertionError(f"no faults are known for the header {name}")


def _bodies(schema: Document, document: Document, good: Good, *, optional: bool) -> Iterator[Bad]:
    yield from _too_large(good)
    raw = good.sign is not None
    unread: tuple[int, ...] = (400,) if raw else (400, 422)
    nothing = (("no body", b""), ("null", b"null"))
    for what, content in (
        *(() if optional else nothing),
        ("no JSON", b"{"),
        ("a form", b"name=Ada"),
        ("no UTF-8", b'{"name": "\xff"}'),
        ("deep nesting", b"[" * 100_000),
        ("a number too long to read", b'{"name": ' + b"1" * 5000 + b"}"),
        ("a list", b"[]"),
        ("a text", b'"x"'),
    ):
        yield Bad(what, good, unread, pointer=None if raw else "/", content=content)
    if raw:
        yield Bad("an object without its fields", good, (400,), content=b"{}")
        return
    # A wrong element beside it: nesting that can be parsed, in a place where nothing like it belongs.
    nested = json.dumps(good.body)[:-1] + ', "bogus": ' + "[" * 400 + "]" * 400 + "}"
    yield Bad("nesting in an unknown field", good, pointer="/bogus", content=nested.encode())
    yield Bad("a field named oddly", _changed(good, ("a/b~c",), 1), pointer="/a~1b~0c")
    yield Bad("a field named by half a character", _changed(good, ("\ud800",), 1), (400, 422))
    for where, kind, required in fields_of(schema, document, good.body):
        yield from _field(where, kind, good, required=required)


def _calendars(good: Good) -> Iterator[Bad]:
    yield from _too_large(good)
    for what, content in (
        ("no body", b""),
        ("no UTF-8", b"BEGIN:VCALENDAR\r\nSUMMARY:\xff\r\nEND:VCALENDAR\r\n"),
        ("JSON", b"{}"),
        ("half a calendar", good.body.encode()[:-20]),
        ("no event", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
        ("no date", good.body.replace("VALUE=DATE:2", "VALUE=DATE:x").encode()),
    ):
        yield Bad(what, good, pointer="/", content=content)
    json_type = replace(good, headers=good.headers | {"Content-Type": "application/json"})
    yield Bad("another type", json_type, pointer="header:Content-Type")


def _too_large(good: Good) -> Iterator[Bad]:
    for chunked in (False, True):
        content = b'{"name": "' + b"x" * MEBIBYTE + b'"}'
        yield Bad("a body over 1 MiB", good, (413,), content=content, chunked=chunked)


def fields_of(
    schema: Document, document: Document, body: Any, where: Where = ()
) -> Iterator[tuple[Where, Document, bool]]:
    """Each place in a good body: its pointer, its schema, and whether it must be there.

    Raises AssertionError for a field that the good body leaves out: its faults could not be tried in place.
    """
    kind, _nullable = _kind(schema)
    if kind.get("type") == "object":
        yield (*where, "bogus"), {"type": "unknown"}, False
        assert isinstance(body, dict), where
        assert kind.get("additionalProperties") is False, f"{where} takes unknown fields"
        missing = kind["properties"].keys() - body.keys()
        assert not missing, f"the good body leaves out {missing} at {where}"
        for name, described in kind["properties"].items():
            part = resolved(described, document)
            yield (*where, name), part, name in kind.get("required", [])
            yield from fields_of(part, document, body[name], (*where, name))
    elif kind.get("type") == "array":
        assert body, f"the good body has nothing in {where}"
        element = resolved(kind["items"], document)
        yield (*where, 0), element, False
        yield from fields_of(element, document, body[0], (*where, 0))


def _field(where: Where, schema: Document, good: Good, *, required: bool) -> Iterator[Bad]:
    pointer = pointer_to(where)

    def having(what: str, value: Any) -> Bad:
        return Bad(f"{pointer} {what}", _changed(good, where, value), pointer=pointer)

    if schema.get("type") == "unknown":
        yield having("is unknown", 1)
        return
    kind, nullable = _kind(schema)
    if required:
        yield Bad(f"without {pointer}", _changed(good, where, _GONE), pointer=pointer)
    if not nullable:
        yield having("is null", None)
    for value in _TYPES[kind["type"]]:
        yield having(f"is {value!r}", value)
    for value in _beyond(kind, _at(good.body, where)):
        yield having(f"is {str(value)[:20]!r}", value)
    name = next(part for part in reversed(where) if isinstance(part, str))
    if kind["type"] == "string":
        for word, form in (("email", "email"), ("timezone", "time-zone")):
            assert word not in name or kind.get("format") == form, f"{pointer} is not described as {form}"
        for text in _wrong_strings(kind):
            yield having(f"is {text[:20]!r}", text)
    if kind.get("format") == "date-time":
        yield having("lies in the past", "2020-01-01T10:00:00Z")
    if kind.get("format") == "uuid":
        for what, value in (("is unknown", UNKNOWN_ID), ("is another tenant's", good.others.get(name))):
            if value is not None:
                yield replace(having(what, value), statuses=(409, 422))


def _wrong_strings(kind: Document) -> Iterator[str]:
    yield from _FORMATS.get(kind.get("format", ""), [])
    yield from (*_CONTROL, "\ud800")
    if "pattern" in kind or "enum" in kind or "const" in kind:
        yield from ("", _NO_PATTERN_ALLOWS)
    if kind.get("minLength"):
        yield ""
    if "maxLength" in kind:
        yield "x" * (kind["maxLength"] + 1)


def _beyond(kind: Document, present: Any) -> Iterator[Any]:
    """Of the right type, but past a bound."""
    for bound, beyond in (("minimum", -1), ("maximum", 1)):
        if bound in kind:
            yield kind[bound] + beyond
    if kind["type"] == "integer":
        yield 10**30
    if "maxItems" in kind:
        yield present[:1] * (kind["maxItems"] + 1)


_GONE = object()


def _changed(good: Good, where: Where, value: Any) -> Good:
    body = deepcopy(good.body)
    place = _at(body, where[:-1])
    if value is _GONE:
        del place[where[-1]]
    else:
        place[where[-1]] = value
    return replace(good, body=body)


def _at(body: Any, where: Where) -> Any:
    for part in where:
        body = body[part]
    return body


def _kind(schema: Document) -> tuple[Document, bool]:
    """The schema, and whether null may stand in its place. Of several forms the first, which the good body has."""
    options = schema.get("anyOf")
    if options is None:
        return schema, False
    others = [option for option in options if option.get("type") != "null"]
    return others[0], len(others) < len(options)


def resolved(schema: Document, document: Document) -> Document:
    """With its own and its options' references followed; those deeper down stay."""
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    if "anyOf" in schema:
        schema = schema | {"anyOf": [resolved(option, document) for option in schema["anyOf"]]}
    return schema
