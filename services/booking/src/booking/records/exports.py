"""CSV as RFC 4180 has it, of rows that come one by one: commas, CRLF, a header, UTF-8.

Called by booking.records.service. What a spreadsheet would take for a formula gets an apostrophe in front, as
OWASP's page on CSV injection says; times are RFC 3339 with the business's offset.

Where the decimal sign is a comma, spreadsheets split lines at semicolons. A quotation mark is none to them then but
at a line's beginning, so that a cell of ours is cut at each semicolon and line break that stands in it.
"""

import csv
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

_CALCULATED = (
    r"[=+\-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
    r"\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}]"
)
_BLANK = r"[^\S\t\r\n]"
_FORMULA = re.compile(rf"^(?=[\t\r]|{_BLANK}*{_CALCULATED})|(?<=[;\t\r\n])(?=(?:\"|{_BLANK})*{_CALCULATED})")
"""Before what a spreadsheet calculates, also in full width, where a cell begins or could.

Where one could, quotation marks may stand before it: they are doubled in the file, and two of them are an empty
beginning there.
"""
_PART = 32 * 1024

_APPOINTMENT = (
    "id",
    "status",
    "starts_at",
    "ends_at",
    "service_id",
    "service",
    "staff_ids",
    "staff",
    "customer_id",
    "customer",
    "email",
    "phone",
    "price_amount",
    "currency",
    "source",
    "notes",
    "created_at",
    "cancelled_by",
    "answers",
)
_CUSTOMER = (
    "id",
    "name",
    "email",
    "phone",
    "locale",
    "consent_email",
    "consent_sms",
    "notes",
    "created_at",
)


def appointments(rows: AsyncIterator[dict[str, Any]], zone: ZoneInfo) -> AsyncGenerator[str]:
    """Parts of a file of appointments; several staff members, and several answers with their
    questions, stand in one cell with semicolons between."""
    return _written(rows, _APPOINTMENT, zone)


def customers(rows: AsyncIterator[dict[str, Any]], zone: ZoneInfo) -> AsyncGenerator[str]:
    """Parts of a file of customers."""
    return _written(rows, _CUSTOMER, zone)


def cell(value: Any, zone: ZoneInfo) -> str:
    """A value as it stands in a cell."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case datetime():
            return value.astimezone(zone).isoformat(timespec="seconds")
        case list():
            return _harmless("; ".join(str(item) for item in value))
        case _:
            return _harmless(str(value))


def _harmless(text: str) -> str:
    return _FORMULA.sub("'", text)


async def _written(
    rows: AsyncIterator[dict[str, Any]], columns: Sequence[str], zone: ZoneInfo
) -> AsyncGenerator[str]:
    buffer = StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    async for row in rows:
        writer.writerow([cell(row[name], zone) for name in columns])
        if buffer.tell() > _PART:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
