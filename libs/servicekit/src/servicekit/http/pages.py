"""Cursor pages with RFC 8288 links: `?limit=50&cursor=…`, `Link: <…>; rel="next"`.

A cursor is the last item's sort key, opaque to clients; a page costs the same however deep it lies.
"""

import base64
import json
from datetime import datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from servicekit.errors import Invalid
from servicekit.http.models import Answer, control_character_fault

T = TypeVar("T")

MAX_LIMIT = 200


class Page(Answer, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


class PageRequest:
    """What a list route takes: `limit` and the decoded cursor's parts (empty on the first page)."""

    def __init__(
        self,
        request: Request,
        response: Response,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The most items of a page.")] = 50,
        cursor: Annotated[
            str | None, Query(max_length=500, description="The `next_cursor` of the page before.")
        ] = None,
    ) -> None:
        self.limit = limit
        self._request = request
        self._response = response
        self.after = self._decode(cursor) if cursor else ()

    @staticmethod
    def _decode(cursor: str) -> tuple[str, ...]:
        try:
            parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except ValueError:
            raise Invalid.field("?cursor", "is not a cursor of this list") from None
        if not isinstance(parts, list) or not all(
            isinstance(part, str) and control_character_fault(part) is None for part in parts
        ):
            raise Invalid.field("?cursor", "is not a cursor of this list")
        return tuple(parts)

    def after_id(self) -> UUID | None:
        """The cursor of a list sorted by id alone."""
        if not self.after:
            return None
        try:
            (only,) = self.after
            return UUID(only)
        except ValueError:
            raise Invalid.field("?cursor", "is not a cursor of this list") from None

    def after_time_and_id(self) -> tuple[datetime, UUID] | None:
        """The cursor of a list sorted by an instant, then by id."""
        if not self.after:
            return None
        try:
            at, only = self.after
            after = datetime.fromisoformat(at), UUID(only)
        except ValueError:
            raise Invalid.field("?cursor", "is not a cursor of this list") from None
        if after[0].tzinfo is None:
            raise Invalid.field("?cursor", "is not a cursor of this list")
        return after

    def link(self, cursor: str | None) -> str | None:
        """Sets the `Link` header to the next page and answers the cursor."""
        if cursor is not None:
            target = self._request.url.include_query_params(cursor=cursor, limit=self.limit)
            self._response.headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
        return cursor


Paging = Annotated[PageRequest, Depends()]
