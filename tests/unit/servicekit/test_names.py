"""Names as requests may have them: any script's, on one line, to be seen, and in nobody else's way."""

import pytest
from pydantic import TypeAdapter, ValidationError

from servicekit.http.models import Name

NAMES: TypeAdapter[str] = TypeAdapter(Name)


@pytest.mark.parametrize(
    "name",
    [
        "Zoë",
        "Nguye\N{COMBINING CIRCUMFLEX ACCENT}n",
        "דנה כהן",
        "\N{RIGHT-TO-LEFT MARK}דנה (A1)\N{RIGHT-TO-LEFT MARK}",
        "نیلوفر\N{ZERO WIDTH NON-JOINER}ها",
        "𠮷野家",
        "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
        "=1+1",
    ],
)
def test_names_of_any_script_are_taken(name: str) -> None:
    assert NAMES.validate_python(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "\N{RIGHT-TO-LEFT OVERRIDE}Bea",
        "Bea\N{LEFT-TO-RIGHT OVERRIDE}",
        "Be\N{RIGHT-TO-LEFT EMBEDDING}a",
        "Bea\N{RIGHT-TO-LEFT ISOLATE}",
    ],
)
def test_one_that_would_turn_what_stands_behind_it_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="change the direction of the text"):
        NAMES.validate_python(name)


@pytest.mark.parametrize(
    "name",
    [
        "\N{ZERO WIDTH SPACE}",
        "\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}",
        "\N{SOFT HYPHEN}",
        "\N{HANGUL FILLER}",
        "\N{BRAILLE PATTERN BLANK} \N{ZERO WIDTH JOINER}",
    ],
)
def test_one_of_which_nothing_can_be_seen_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="a character that can be seen"):
        NAMES.validate_python(name)
