"""The stand-in's objects: in memory, written through to SQLite so that a restart finds them again.

Handlers put objects; the app commits once a request is answered. Objects are the JSON that Stripe would answer,
with references as ids. Kinds are the objects' own `object` field; a kind with a leading underscore is our own.
"""

import json
import secrets
import sqlite3
import string
from collections.abc import Callable, Iterator
from typing import Any

from stripe_standin.errors import missing

Object = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits
_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    kind TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
)
"""


def new_id(prefix: str, length: int = 24) -> str:
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class Store:
    """Objects by kind and id, in order of creation. Not for more than one thread."""

    def __init__(self, path: str | None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(_SCHEMA)
        self._objects: dict[str, dict[str, Object]] = {}
        self._order: dict[tuple[str, str], int] = {}
        self._dirty: dict[tuple[str, str], None] = {}
        self._next = 1
        for kind, key, seq, body in self._db.execute("SELECT kind, id, seq, body FROM object ORDER BY seq"):
            self._objects.setdefault(kind, {})[key] = json.loads(body)
            self._order[kind, key] = seq
            self._next = seq + 1

    def put(self, thing: Object, kind: str | None = None) -> Object:
        """Adds or replaces; answers the same object."""
        place = (kind or thing["object"], thing["id"])
        if place not in self._order:
            self._order[place] = self._next
            self._next += 1
        self._objects.setdefault(place[0], {})[place[1]] = thing
        self._dirty[place] = None
        return thing

    def find(self, kind: str, key: str) -> Object | None:
        return self._objects.get(kind, {}).get(key)

    def get(self, kind: str, key: str, *, param: str | None = None) -> Object:
        """Raises ApiError: 404 for an id of the path, 400 when `param` names the parameter that gave it."""
        thing = self.find(kind, key)
        if thing is None:
            raise missing(kind, key, param=param or "id", status=404 if param is None else 400)
        return thing

    def remove(self, kind: str, key: str) -> None:
        self._objects.get(kind, {}).pop(key, None)
        self._order.pop((kind, key), None)
        self._dirty[kind, key] = None

    def all(self, kind: str, where: Callable[[Object], bool] = lambda _: True) -> list[Object]:
        """Newest first, as Stripe lists."""
        found = [thing for thing in self._objects.get(kind, {}).values() if where(thing)]
        return sorted(found, key=lambda thing: -self._order[kind, thing["id"]])

    def kinds(self) -> Iterator[str]:
        return iter(sorted(kind for kind, things in self._objects.items() if things))

    def commit(self) -> None:
        """Writes what has changed since the last time, in one transaction."""
        if not self._dirty:
            return
        self._db.execute("BEGIN")
        for kind, key in self._dirty:
            thing = self.find(kind, key)
            if thing is None:
                self._db.execute("DELETE FROM object WHERE kind = ? AND id = ?", (kind, key))
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)",
                    (kind, key, self._order[kind, key], json.dumps(thing)),
                )
        self._db.execute("COMMIT")
        self._dirty.clear()

    def clear(self) -> None:
        """Forgets everything, on disk too."""
        self._objects.clear()
        self._order.clear()
        self._dirty.clear()
        self._db.execute("DELETE FROM object")

    def close(self) -> None:
        self.commit()
        self._db.close()
