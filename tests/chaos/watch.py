"""Looks at what booking goes by, again and again, while businesses change what they offer.

Nobody can tell from outside when a change has come through Kafka. So this reads booking's tables as superuser, and
writes down from when until when each version was surely there: what the checker judges by (catalog.py).
"""

import threading
from typing import Any

import psycopg
from psycopg.rows import dict_row

from chaos.town import followed_id, needs_of, policy_id, policy_of, somebody
from chaos.world import World

_EVERY_SECONDS = 0.1
_SERVICES = b"""
SELECT service_id::text AS id, version, extract(epoch FROM duration)::int AS duration,
    extract(epoch FROM buffer_before)::int AS before, extract(epoch FROM buffer_after)::int AS after, capacity,
    extract(epoch FROM slot_step)::int AS step,
    ARRAY(SELECT unnest(resource_ids)::text ORDER BY 1) AS staff, staff_count AS team, needs
FROM offer"""
_ROOMS = b"SELECT resource_id::text AS id, version, capacity FROM resource WHERE kind = 'resource'"
_POLICIES = b"""
SELECT p.tenant_id::text AS tenant, p.version, p.rules, a.tenant_id IS NULL AS followed
FROM reminder_policy p LEFT JOIN reminder_alignment a USING (tenant_id)"""
_STAFF = b"""
SELECT resource_id::text AS id, version, timezone, weekly_hours, exceptions FROM resource
WHERE kind = 'staff'"""
Version = dict[str, Any]


class Watch:
    """From when its database is there until `close`; what it has seen is told by `write`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[str, tuple[Version, float, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def write(self) -> None:
        """The last time; looks once more, for which the database has to run."""
        self.close()
        with self._connected() as conn:
            self._look(conn)
        for told, since, until in self._seen.values():
            self._world.history.known(told, since, until)

    def _connected(self) -> psycopg.Connection[dict[str, Any]]:
        url = self._world.database["booking"].admin_url
        return psycopg.connect(url, row_factory=dict_row, autocommit=True, connect_timeout=2)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with self._connected() as conn:
                    while not self._ended.wait(_EVERY_SECONDS):
                        self._look(conn)
            except psycopg.OperationalError:
                self._ended.wait(_EVERY_SECONDS)  # it has been crashed

    def _look(self, conn: psycopg.Connection[dict[str, Any]]) -> None:
        history = self._world.history
        began = history.at()
        found = [*map(_thing, conn.execute(_SERVICES)), *map(_somebody, conn.execute(_STAFF))]
        found += map(_thing, conn.execute(_ROOMS))
        for row in conn.execute(_POLICIES):
            found += _policy(row)
        ended = history.at()
        for told in found:
            before, since, until = self._seen.get(told["id"], (told, ended, began))
            if before["version"] != told["version"]:
                history.known(before, since, until)
                since = ended
            self._seen[told["id"]] = told, since, began


def _thing(row: dict[str, Any]) -> Version:
    """A service, or a room."""
    if "needs" in row:
        row["needs"] = needs_of(row["needs"])
    return {"id": row.pop("id"), "version": row.pop("version"), "values": row}


def _policy(row: dict[str, Any]) -> list[Version]:
    """It, and that no appointment follows an older one any more where that is so."""
    known = {"id": policy_id(row["tenant"]), "version": row["version"], "values": policy_of(row["rules"])}
    return [known, known | {"id": followed_id(row["tenant"])}] if row["followed"] else [known]


def _somebody(row: dict[str, Any]) -> Version:
    return {"id": row["id"], "version": row["version"], "values": somebody(row)}
