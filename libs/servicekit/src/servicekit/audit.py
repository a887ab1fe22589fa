"""The audit trail: who changed what, and when, written in the transaction of the change.

Called by service layers. They need not pass the actor: servicekit.http sets it in a context variable when a request
comes in (`begin_request`) and when its token is verified (`name_member`); a loop's changes are the system's. An
entry can only be added: the table has no policy for changing one, and only a tenant's erasure removes them. Of
customers it holds only ids; of a field that may hold personal data it says that it has changed, without the values.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic_core import to_jsonable_python

from servicekit.db import Connection
from servicekit.ids import new_id
from servicekit.queries import Queries

TABLE = Path(__file__).parent / "migrations" / "audit_0001.sql"
"""What a service's migration runs to create the table; a later change of the table is another file."""

ActorKind = Literal["customer", "member", "system"]

SQL = Queries("servicekit", "audit.sql")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change. `actor_id` is a member's user id (the token's subject), or a customer's id."""

    kind: ActorKind
    actor_id: UUID | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `changes` has `{"old": …, "new": …}` by field, or `{"hidden": true}` for personal data."""

    entry_id: UUID
    at: datetime
    actor_kind: ActorKind
    actor_id: UUID | None
    request_id: str | None
    action: str
    entity_kind: str
    entity_id: UUID
    changes: dict[str, Any]


_SYSTEM = Actor("system")
_actor: ContextVar[Actor] = ContextVar("audit_actor", default=_SYSTEM)


def begin_request(request_id: str) -> None:
    """Makes a customer the actor of the request that comes in, until a token says otherwise."""
    _actor.set(Actor("customer", None, request_id))


def name_member(user_id: UUID) -> None:
    """Makes a member the actor of the request under way."""
    _actor.set(Actor("member", user_id, _actor.get().request_id))


def changed(old: Mapping[str, Any], new: Mapping[str, Any], *, hidden: Sequence[str] = ()) -> dict[str, Any]:
    """What differs between two states, by field; a field that one lacks is None there.

    Values are compared, and answered, as JSON. Those of the fields named in `hidden` are left out.
    """
    before, after = to_jsonable_python(dict(old)), to_jsonable_python(dict(new))
    differ = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    return {
        name: {"hidden": True} if name in hidden else {"old": before.get(name), "new": after.get(name)}
        for name in differ
    }


async def record(
    conn: Connection,
    tenant_id: UUID,
    action: str,
    entity_kind: str,
    entity_id: UUID,
    changes: Mapping[str, Any] | None = None,
    *,
    customer_id: UUID | None = None,
) -> None:
    """Adds an entry, in the caller's transaction. `customer_id` is the actor's id where the actor is a customer."""
    actor = _actor.get()
    values = {
        "tenant_id": tenant_id,
        "entry_id": new_id(),
        "actor_kind": actor.kind,
        "actor_id": customer_id if actor.kind == "customer" else actor.actor_id,
        "request_id": actor.request_id,
        "action": action,
        "entity_kind": entity_kind,
        "entity_id": entity_id,
        "changes": Jsonb(dict(changes or {})),
    }
    await conn.execute(SQL.add, values)


async def entries(
    conn: Connection,
    tenant_id: UUID,
    *,
    entity_id: UUID | None,
    begin: datetime | None,
    end: datetime | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Entry]:
    """The newest entries first: of one entity or of all, `begin` inclusive, `end` exclusive, behind `before`."""
    values = {
        "tenant_id": tenant_id,
        "entity_id": entity_id,
        "begin": begin,
        "end": end,
        "before_time": before[0] if before else None,
        "before_id": before[1] if before else None,
        "limit": limit,
    }
    return [Entry(**row) for row in await (await conn.execute(SQL.page, values)).fetchall()]
