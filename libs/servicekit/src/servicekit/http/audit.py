"""The audit trail as a list: the answers and filters that the services' routes share."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query

from servicekit.audit import ActorKind, Entry
from servicekit.http.models import Answer, Instant
from servicekit.http.pages import Page, PageRequest, Paging, encode_cursor


class ActorAnswer(Answer):
    """`id` is a member's user id or a customer's id; None where nobody is known."""

    kind: ActorKind
    id: UUID | None


class EntityAnswer(Answer):
    kind: str
    id: UUID


class EntryAnswer(Answer):
    """`changes` has `{"old": …, "new": …}` by field; `{"hidden": true}` where the values are personal."""

    id: UUID
    at: datetime
    actor: ActorAnswer
    request_id: str | None
    action: str
    entity: EntityAnswer
    changes: dict[str, Any]


class AuditQuery:
    """What an audit route takes, beside its page: one entity's entries, and a span of time."""

    def __init__(
        self,
        paging: Paging,
        entity: Annotated[
            UUID | None, Query(description="Only entries about the thing with this id.")
        ] = None,
        begin: Annotated[
            Instant | None, Query(alias="from", description="Only entries of this time or later.")
        ] = None,
        end: Annotated[
            Instant | None, Query(alias="to", description="Only entries before this time.")
        ] = None,
    ) -> None:
        self.paging: PageRequest = paging
        self._asked = {"entity_id": entity, "begin": begin, "end": end, "before": paging.after_time_and_id()}

    def arguments(self) -> dict[str, Any]:
        """As servicekit.audit.entries takes them; one entry more than a page tells whether another follows."""
        return {**self._asked, "limit": self.paging.limit + 1}

    def page(self, found: list[Entry]) -> Page[EntryAnswer]:
        """The page of what was found with these arguments."""
        more = len(found) > self.paging.limit
        found = found[: self.paging.limit]
        cursor = encode_cursor(found[-1].at.isoformat(), str(found[-1].entry_id)) if more else None
        return Page(items=[_answer(entry) for entry in found], next_cursor=self.paging.link(cursor))


Audit = Annotated[AuditQuery, Depends()]
"""For a handler: the query, and the page of its result."""


def _answer(entry: Entry) -> EntryAnswer:
    return EntryAnswer(
        id=entry.entry_id,
        at=entry.at,
        actor=ActorAnswer(kind=entry.actor_kind, id=entry.actor_id),
        request_id=entry.request_id,
        action=entry.action,
        entity=EntityAnswer(kind=entry.entity_kind, id=entry.entity_id),
        changes=entry.changes,
    )
