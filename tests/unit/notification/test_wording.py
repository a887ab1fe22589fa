"""What a business may write: what holds is taken, and what does not is named, before a message depends on it."""

import time

import pytest

from notification.wording import VARIABLES, Part, Sandbox, Wording, WordingFault

FULL = {name: name.upper() for name in VARIABLES}
BARE = FULL | {"staff": "", "address": ""}
SANDBOX = Sandbox()


def fault(words: str, part: Part = "lead") -> WordingFault:
    wording = Wording(**{part: words})  # type: ignore[arg-type]
    with pytest.raises(WordingFault) as found:
        SANDBOX.check(wording, [FULL, BARE])
    return found.value


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Hello {{ name | title }}", "Hello Name"),
        ("{% if staff %}with {{ staff }}{% else %}with us{% endif %}", "with STAFF"),
        ("{{ staff or 'us' }}, {{ 'today' if when else '' }}", "STAFF, today"),
        ("{{ service ~ '!' }}{# not said #}", "SERVICE!"),
        ("{{ service | truncate(3, true, '', 0) }}", "SER"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_text_variables_filters_and_conditions_may_be_used(words: str, said: str) -> None:
    SANDBOX.check(Wording(lead=words), [FULL, BARE])
    assert SANDBOX.render(words, FULL) == said


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("Hello\n{{ nmae }}", "line 2: there is no variable nmae"),
        ("{% if address %}{{ adress }}{% endif %}", "there is no variable adress"),
        ("{{ name", "line 1: "),
        ("{% if name %}", "line 1: "),
        ("{{ name | shout }}", "no filter"),
        ("{{ name | replace('a', 'b') }}", "no filter replace"),
        ("{{ name | truncate('x') }}", "cannot be rendered"),
        ("{{ name | truncate(2) }}", "cannot be rendered: expected length"),
        ("{{ 1e999 ~ name }}", "cannot be rendered"),
        ("{{ '\\ud800' }}", "cannot be rendered"),
        ("{{ " + "9" * 5000 + " }}", "cannot be read"),
        ("{{ staff }}", "nothing is left of it"),
        ("{% for x in name %}{{ x }}{% endfor %}", "For may not stand here"),
        ("{{ 'x' * 1000000000 }}", "Mul may not stand here"),
        ("{{ 10 ** 10 ** 10 }}", "Pow may not stand here"),
        ("{{ name.upper() }}", "may not stand here"),
        ("{{ ''.__class__.__mro__ }}", "may not stand here"),
        ("{{ name['x'] }}", "may not stand here"),
        ("{{ range(10) }}", "may not stand here"),
        ("{% set name = 'x' %}{{ name }}", "may not stand here"),
        ("{% include '/etc/passwd' %}", "may not stand here"),
        ("{% macro x() %}{% endmacro %}x", "may not stand here"),
        ("{{ self }}", "no variable self"),
        ("{{ [1, 2] }}", "may not stand here"),
        ("{{ " + "(" * 900 + "name" + ")" * 900 + " }}", "nested too deeply"),
        ("{{ " + "not " * 480 + "name }}", "nested too deeply"),
    ],
)
def test_what_does_not_hold_is_named(words: str, named: str) -> None:
    began = time.monotonic()
    assert named in fault(words).detail
    assert time.monotonic() - began < 1


def test_the_first_faulty_part_is_named() -> None:
    wording = Wording(subject="{{ name }}", lead="{{ x }}")
    with pytest.raises(WordingFault) as found:
        SANDBOX.check(wording, [FULL])
    assert found.value.part == "lead"


def test_a_text_message_has_an_end() -> None:
    SANDBOX.check(Wording(text="x" * 1530), [FULL])
    assert "11 segments" in fault("x" * 1531, "text").detail
