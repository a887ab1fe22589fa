"""The Tenant and Plan objects as last seen, from the watch, from lists and from the answers to our own writes.

Keeps the newest of what comes in any order, so that a watch event that lags behind a write of ours does no harm.
"""

from collections.abc import Callable, Iterable

from tenant_operator.domain import Body
from tenant_operator.workqueue import Key

Notice = Callable[[str, str | None, Body], None]
"""Takes kind, change (ADDED, MODIFIED, DELETED, or None in the watch's first listing) and the object."""


class Objects:
    """By kind and name. A body is what the API server sent, less its managedFields; nobody changes it.

    Also notes in which of them somebody has changed what is asked for, until that is `settled`.
    """

    def __init__(self) -> None:
        self._bodies: dict[Key, Body] = {}
        self._asked: set[Key] = set()

    def get(self, key: Key) -> Body | None:
        return self._bodies.get(key)

    def every(self) -> list[Key]:
        """The key of each object."""
        return list(self._bodies)

    def asked(self, key: Key) -> bool:
        """Whether somebody waits for a change of this object to take effect."""
        return key in self._asked

    def settled(self, key: Key) -> None:
        """The object is as it was asked for."""
        self._asked.discard(key)

    def of_kind(self, kind: str) -> list[Body]:
        return [body for key, body in self._bodies.items() if key.kind == kind]

    def put(self, key: Key, body: Body) -> bool:
        """Takes in an object; False when the known one is as new."""
        known = self._bodies.get(key)
        if known is not None and _version(body) <= _version(known):
            return False
        if known is None or _request(body) != _request(known):
            self._asked.add(key)
        # managedFields are half of an object and of no use here; the API server keeps them when a write lacks them.
        self._bodies[key] = {
            **body,
            "metadata": {name: value for name, value in body["metadata"].items() if name != "managedFields"},
        }
        return True

    def update(self, key: Key, body: Body) -> None:
        """Takes in the answer to a write of ours, unless the object has gone while we waited for it."""
        known = self._bodies.get(key)
        if known is not None and known["metadata"]["uid"] == body["metadata"]["uid"]:
            self.put(key, body)

    def drop(self, key: Key, uid: str | None = None) -> bool:
        """False when there is none, or another object under that name by now."""
        known = self._bodies.get(key)
        if known is None or (uid is not None and known["metadata"]["uid"] != uid):
            return False
        self._forget(key)
        return True

    def replace_all(self, kind: str, bodies: Iterable[Body], version: int) -> set[Key]:
        """Takes in a whole list as of `version`; answers every key that is there or was."""
        listed = {Key(kind, body["metadata"]["name"]): body for body in bodies}
        known = {key for key in self._bodies if key.kind == kind}
        for key, body in listed.items():
            self.put(key, body)
        for key in known - set(listed):
            if _version(self._bodies[key]) <= version:  # else it is younger than the list
                self._forget(key)
        return known | set(listed)

    def _forget(self, key: Key) -> None:
        del self._bodies[key]
        self._asked.discard(key)


def _request(body: Body) -> tuple[int, bool]:
    """Differs when somebody asks for something else: another spec, or the deletion."""
    return body["metadata"]["generation"], "deletionTimestamp" in body["metadata"]


def _version(body: Body) -> int:
    """Versions of one resource are ordered as numbers (Kubernetes' KEP-5504)."""
    return int(body["metadata"]["resourceVersion"])
