"""Everything as CSV, for the owner: sent while it is read, so that a year of it needs no more memory than a day."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import structlog
from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from booking.routes.deps import Records
from servicekit.errors import Invalid
from servicekit.http.models import Instant
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

log = structlog.get_logger(__name__)

router = Router(tags=["exports"])

_STALLED_SECONDS = 20.0
"""Less than the database lets a transaction wait for its next statement."""
_LONGEST_SECONDS = 900.0
"""VACUUM cannot remove dead rows that are newer than an open transaction, so exports are limited."""

_MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}, "description": "RFC 4180, with a header; UTF-8."}
}


class Streamed(StreamingResponse):
    """Closes the generator that it reads from as soon as its reader disconnects, as that holds a transaction open.

    It also does so when the reader takes nothing for `stalled` seconds, or has not all of it after `longest`: the
    answer is cut off then, which the reader can see.
    """

    def __init__(
        self,
        parts: AsyncGenerator[str],
        filename: str,
        *,
        stalled: float = _STALLED_SECONDS,
        longest: float = _LONGEST_SECONDS,
    ) -> None:
        super().__init__(
            parts,
            media_type=_MEDIA_TYPE,
            headers={
                "Content-Disposition": f'attachment; filename="{filename}"',
                "Cache-Control": "no-store",
            },
        )
        self._parts = parts
        self._stalled = stalled
        self._longest = longest

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._stalled):
                await send(message)

        async with aclosing(self._parts):
            try:
                async with asyncio.timeout(self._longest):
                    await super().stream_response(send_in_time)
            except TimeoutError:
                # Returning with the answer incomplete makes the server end the connection.
                log.warning("an export's reader was too slow")


async def _begun(parts: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """The same parts, the first of them read: what is wrong turns up while it can still be said."""
    first = await anext(parts)

    async def all_of_them() -> AsyncGenerator[str]:
        async with aclosing(parts):
            yield first
            async for part in parts:
                yield part

    return all_of_them()


@router.get(
    "/v1/appointments/export.csv",
    response_class=Response,
    responses=_DESCRIBED,
    summary="Export appointments as CSV",
)
async def export_appointments(
    who: Owner,
    records: Records,
    begin: Annotated[
        Instant, Query(alias="from", description="Appointments that start at this time or later.")
    ],
    end: Annotated[Instant, Query(alias="to", description="Appointments that start before this time.")],
) -> Response:
    """Times are in the business's time zone, with their offset. A cell that a spreadsheet would take for a formula
    begins with an apostrophe."""
    if end <= begin:
        raise Invalid.field("?to", "lies not after `from`")
    parts = await _begun(records.export_appointments(who.tenant_id, begin, end))
    return Streamed(parts, "appointments.csv")


@router.get(
    "/v1/customers/export.csv",
    response_class=Response,
    responses=_DESCRIBED,
    summary="Export customers as CSV",
)
async def export_customers(who: Owner, records: Records) -> Response:
    """All customers who are not erased. A cell that a spreadsheet would take for a formula begins with an
    apostrophe."""
    return Streamed(await _begun(records.export_customers(who.tenant_id)), "customers.csv")
