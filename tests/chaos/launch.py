"""Starts a service's process with a clock that jumps, or with one of its guards taken out: chaos, and its check.

Both happen in the process that is started, before the service's own code runs: the product knows nothing of them.
"""

import mmap
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support.programs import Program, be

_CLOCK = "CHAOS_CLOCK"
_MUTATIONS = "CHAOS_MUTATIONS"


class Clock:
    """How far the clocks of some processes are from the true time; kept in a file that they have mapped."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._file.write_bytes(struct.pack("d", 0.0))

    @property
    def env(self) -> dict[str, str]:
        """For a process that is to go by it."""
        return {_CLOCK: str(self._file)}

    def set(self, offset: float) -> None:
        """Seconds ahead of the true time; the processes see it at once."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("d", offset))

    def now(self) -> float:
        """What it shows, in seconds since 1970."""
        (offset,) = struct.unpack("d", self._file.read_bytes())
        return datetime.now(UTC).timestamp() + float(offset)


def mutated(*names: str) -> dict[str, str]:
    """The environment of a process without those guards; see MUTATIONS."""
    return {_MUTATIONS: ",".join(names)}


def start(command: Sequence[str], env: Mapping[str, str], out: Path) -> Program:
    """As run_service_by takes it."""
    return Program(command, env, out, main=_changed)


def _changed(command: list[str], env: dict[str, str], out: str, err: str) -> None:
    if clock := env.get(_CLOCK):
        _jumping(Path(clock))
    for name in filter(None, env.get(_MUTATIONS, "").split(",")):
        MUTATIONS[name]()
    be(command, env, out, err)


def _jumping(file: Path) -> None:
    import servicekit.clock

    with file.open("r+b") as opened:
        shared = mmap.mmap(opened.fileno(), 8)

    def now() -> datetime:
        (offset,) = struct.unpack("d", shared[:8])
        return datetime.now(UTC) + timedelta(seconds=offset)

    servicekit.clock.utc_now = now


def _replace(statements: dict[str, bytes], name: str, old: bytes, new: bytes) -> None:
    assert old in statements[name], f"the mutation does not fit {name} any more"
    statements[name] = statements[name].replace(old, new)


def _without_lock() -> None:
    """Writers of a resource's time do not queue: only the constraint is left between them."""
    from booking.store import SQL

    _replace(SQL._statements, "lock_resources", b"FOR NO KEY UPDATE OF resource", b"")


def _without_tenant() -> None:
    """Queries that have forgotten whose rows they are about: only row level security is left."""
    from booking.store import SQL

    _replace(SQL._statements, "appointments_page", b"WHERE tenant_id = %(tenant_id)s\n    AND", b"WHERE")
    _replace(SQL._statements, "appointment", b"tenant_id = %(tenant_id)s AND ", b"")
    for name in ("customer", "customers"):
        _replace(SQL._statements, name, b"tenant_id = %(tenant_id)s AND ", b"")


def _without_inbox() -> None:
    """Every event counts as new."""
    from servicekit import effects

    assert b"ON CONFLICT DO NOTHING" in effects._INBOX
    effects._INBOX = b"SELECT %s::text, unnest(%s::text[]) AS event_id"


def _without_key() -> None:
    """A message may be queued again for its cause (whose constraint is dropped, too): the inbox is left."""
    from notification.store import _SQL

    _replace(_SQL._statements, "queue", b"ON CONFLICT ON CONSTRAINT message_cause DO NOTHING", b"")


def _without_claim() -> None:
    """A sender takes what is due without putting it ahead, and does not look whether another has it."""
    from notification.store import _SQL

    _replace(_SQL._statements, "claim", b"FOR UPDATE SKIP LOCKED", b"")
    _replace(
        _SQL._statements, "claim", b"SET next_attempt_at = %(lease_ends)s", b"SET tenant_id = m.tenant_id"
    )
    _replace(_SQL._statements, "lock_claimed", b"AND next_attempt_at = %(lease_ends)s", b"")


def _without_mark() -> None:
    """A message is handed over without a word in the database that this has begun."""
    from notification.store import _SQL

    _replace(_SQL._statements, "mark_sending", b"SET status = 'sending',", b"SET")
    _without_repeat()


def _without_repeat() -> None:
    """A message that may have been handed over is sent again, and does not say that it may be a repeat."""
    from notification.store import _SQL

    _replace(
        _SQL._statements, "mark_sending", b"repeated = repeated OR status = 'sending'", b"repeated = repeated"
    )


def _without_doubt() -> None:
    """A sender that was not told what became of a mail counts it as not handed over."""
    from notification.store import _SQL

    _replace(_SQL._statements, "postpone", b"SET status = %(status)s", b"SET status = 'queued'")


def _without_take_over() -> None:
    """A hold is booked for what its service takes by now, whatever it keeps."""
    from booking.store import SQL

    guard = b"AND during = tstzrange(%(begin)s, %(end)s) AND session_id = %(session_id)s"
    _replace(SQL._statements, "take_over_hold", guard, b"")


def _without_rooms() -> None:
    """Nothing is taken beside people, whatever a service needs."""
    from booking.slots.choice import Options

    Options._beside = lambda self, stay: []  # type: ignore[method-assign]


def _without_lanes() -> None:
    """Of a room there is one more than there is, where it is taken."""
    from booking.store import SQL

    more = b"CASE kind WHEN 'resource' THEN capacity + 1 ELSE capacity END AS capacity, always_open"
    _replace(SQL._statements, "lock_resources", b"capacity, always_open", more)


def _without_withdrawal() -> None:
    """What a changed policy does not want any more is forgotten, and not withdrawn."""
    from booking import reminders
    from servicekit.outbox import publish

    async def told(conn: Any, source: str, *events: Any, **given: Any) -> None:
        kept = (event for event in events if getattr(event, "reason", None) != "policy-changed")
        await publish(conn, source, *kept, **given)

    vars(reminders)["outbox"] = SimpleNamespace(publish=told)


def _without_clearing() -> None:
    """A timer fires whether its reminder is withdrawn or not."""
    from scheduler.store import _SQL

    guard = b"DO UPDATE SET due_at = NULL, request = NULL, closed_at = now()"
    _replace(_SQL._statements, "withdraw", guard, b"DO NOTHING")


def _without_all_or_none() -> None:
    """A series is booked without the starts that cannot be, whoever wants all or none."""
    from booking import series

    decide = series._decide
    series._decide = lambda wanted, *given: decide(replace(wanted, skip=True), *given)


def _without_rest() -> None:
    """Of the rest of a series only the first appointment is cancelled."""
    from booking.store import SQL

    _replace(
        SQL._statements, "rest_of_series", b"starts_at, appointment_id", b"starts_at, appointment_id LIMIT 1"
    )


def _without_end() -> None:
    """Whoever has taken an offer waits on."""
    from booking.waitlist import store
    from booking.waitlist.domain import EntryState

    set_state = store.set_state

    async def waits_on(conn: Any, tenant_id: Any, entry_id: Any, state: EntryState) -> None:
        booked = state is EntryState.BOOKED
        await set_state(conn, tenant_id, entry_id, EntryState.WAITING if booked else state)

    vars(store)["set_state"] = waits_on


def _without_keeping() -> None:
    """What is offered to the waitlist is kept from nobody: its hold takes no time."""
    from booking import placing
    from booking.store import SQL
    from booking.waitlist import line

    async def hold(conn: Any, tenant_id: Any, *wanted: Any, **lasting: Any) -> Any:
        made = await placing.hold(conn, tenant_id, *wanted, **lasting)
        values = {"tenant_id": tenant_id, "hold_id": made[0].hold_id}
        await conn.execute(SQL.release_hold, values)
        return made

    vars(line)["placing"] = SimpleNamespace(**vars(placing) | {"hold": hold})


MUTATIONS: dict[str, Callable[[], None]] = {
    "lock": _without_lock,
    "tenant": _without_tenant,
    "inbox": _without_inbox,
    "key": _without_key,
    "claim": _without_claim,
    "mark": _without_mark,
    "repeat": _without_repeat,
    "doubt": _without_doubt,
    "take-over": _without_take_over,
    "rooms": _without_rooms,
    "lanes": _without_lanes,
    "withdrawal": _without_withdrawal,
    "clearing": _without_clearing,
    "all-or-none": _without_all_or_none,
    "rest": _without_rest,
    "end": _without_end,
    "keeping": _without_keeping,
}
