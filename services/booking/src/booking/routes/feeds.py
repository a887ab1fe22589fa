"""Calendar feeds: a staff member's appointments by an address that only they know, and that address's coming and
going."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Request, Response

from booking.records.feeds import REFRESH
from booking.routes.deps import Feeds
from servicekit.http.models import Answer
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner
from servicekit.ical import MEDIA_TYPE

router = Router(tags=["calendar feeds"])


class FeedAnswer(Answer):
    """`url` is in this answer only. Whoever has it sees the staff member's appointments with customers' names."""

    staff_id: UUID
    url: str


@router.post("/v1/staff-feeds/{staff_id}", summary="Make a new feed address")
async def rotate(staff_id: UUID, who: Owner, feeds: Feeds, response: Response) -> FeedAnswer:
    """Makes a new feed address; an earlier one stops working."""
    response.headers["Cache-Control"] = "no-store"
    return FeedAnswer(staff_id=staff_id, url=await feeds.rotate(who.tenant_id, staff_id))


@router.delete("/v1/staff-feeds/{staff_id}", status_code=204, summary="Withdraw the feed address")
async def withdraw(staff_id: UUID, who: Owner, feeds: Feeds) -> None:
    await feeds.withdraw(who.tenant_id, staff_id)


@router.get("/v1/public/feeds/{token}.ics", response_class=Response, summary="Read a staff member's feed")
async def feed(token: Annotated[str, Path(max_length=100)], request: Request, feeds: Feeds) -> Response:
    """The appointments as an iCalendar file (RFC 5545): 60 days back and 400 ahead, with cancelled ones marked so.
    Answers 304 to the present ETag."""
    found = await feeds.feed(token, _tags(request))
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": f"private, max-age={int(REFRESH.total_seconds())}"}
    if found.content is None:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=MEDIA_TYPE, headers=headers)


def _tags(request: Request) -> frozenset[str]:
    """If-None-Match (RFC 9110 §13.1.2), compared weakly."""
    given = request.headers.get("if-none-match", "").split(",")
    return frozenset(tag.strip().removeprefix("W/").strip('"') for tag in given)
