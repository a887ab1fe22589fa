"""CSV: readable by any reader of RFC 4180, harmless to a spreadsheet, times where the business is."""

import csv
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.records import exports

LISBON = ZoneInfo("Europe/Lisbon")
ROW: dict[str, Any] = {
    "id": UUID(int=7),
    "name": "Bea",
    "email": "bea@customer.example",
    "phone": None,
    "locale": "en",
    "consent_email": True,
    "consent_sms": False,
    "notes": "",
    "created_at": datetime(2026, 7, 1, 12, tzinfo=UTC),
}


async def written(*rows: dict[str, Any]) -> list[str]:
    async def each() -> AsyncIterator[dict[str, Any]]:
        for row in rows:
            yield row

    return [part async for part in exports.customers(each(), LISBON)]


async def test_a_row_is_a_line_of_what_the_header_names() -> None:
    text = "".join(await written(ROW))
    assert text == (
        "id,name,email,phone,locale,consent_email,consent_sms,notes,created_at\r\n"
        "00000000-0000-0000-0000-000000000007,Bea,bea@customer.example,,en,true,false,,"
        "2026-07-01T13:00:00+01:00\r\n"
    )


async def test_nothing_to_tell_is_a_header() -> None:
    assert "".join(await written()).count("\r\n") == 1


async def test_many_rows_come_in_parts() -> None:
    parts = await written(*[ROW | {"notes": "x" * 1000}] * 200)
    assert len(parts) > 4
    assert max(len(part) for part in parts) < 40_000
    assert "".join(parts).count("\r\n") == 201


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+351912345678",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "=cmd|' /C calc'!A0",
        " =1+1",
        "\N{FULLWIDTH EQUALS SIGN}1",
        "\N{FULLWIDTH PLUS SIGN}1",
        "\N{FULLWIDTH HYPHEN-MINUS}1",
        "\N{FULLWIDTH COMMERCIAL AT}SUM(A1)",
    ],
)
def test_what_a_spreadsheet_would_calculate_is_made_text(text: str) -> None:
    assert exports.cell(text, LISBON) == f"'{text}"
    assert exports.cell([text, "x"], LISBON).startswith("'")


@pytest.mark.parametrize("text", ["", "Bea", "a=b", "1-2", "'=1", "a; b", "a\n1-2", "tea, =1"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert exports.cell(text, LISBON) == text


@pytest.mark.parametrize(
    "text", ["Bea;=1+1", "Bea; =1+1", "Bea\n=1+1", "Bea\r\n@SUM(A1)", "Bea\t-1", 'Bea;"=1+1']
)
def test_so_is_what_it_would_calculate_behind_a_semicolon_or_a_line_break(text: str) -> None:
    told = exports.cell(text, LISBON)
    assert told.replace("'", "") == text
    assert told.count("'") == 1


@given(st.text(st.sampled_from("=+-@;,'\" \t\r\na\N{FULLWIDTH EQUALS SIGN}")))
async def test_no_cell_begins_a_formula_where_lines_are_split_at_semicolons(text: str) -> None:
    """Excel does so wherever the decimal sign is a comma, as in Portugal."""
    told = "".join(await written(ROW | {"name": text, "notes": text}))
    for row in csv.reader(StringIO(told, newline=""), delimiter=";"):
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}")), cell


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2, max_size=2
    )
)
async def test_any_text_can_be_read_back(texts: list[str]) -> None:
    text = "".join(await written(ROW | {"name": texts[0], "notes": texts[1]}))
    _header, row = csv.reader(StringIO(text, newline=""), strict=True)
    assert [cell.replace("'", "") for cell in (row[1], row[7])] == [given.replace("'", "") for given in texts]
