"""Fetches the calendars that make staff busy, and keeps the times they take.

Called by the worker. Every calendar is fetched each quarter of an hour, by a conditional request. Its server and
what it sends are strangers': servicekit.outbound decides what may be called, and booking.busy_calendars.reading
reads in a process of its own. One that fails keeps what it last said, and the fault is there for its business to
see; it is fetched again when as much time has gone by as it has failed for, so that those that fail for good cost
little.
"""

import asyncio
import json
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from booking import allocations
from booking.busy_calendars import store as busy_calendars
from booking.busy_calendars.reading import Taken
from booking.busy_calendars.store import Due, Span
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Unavailable
from servicekit.outbound import OutboundAnswer, OutboundClient, OutboundFailed, OutboundRefused
from servicekit.tenants import takes_events

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=15)
AT_ONCE = 8
_FAILING_EVERY = timedelta(hours=4)
"""How often a calendar that has failed for long is still fetched."""
MAX_BYTES = 2 * 1024 * 1024
_FETCH_SECONDS = 10
_READ_SECONDS = 10
MAX_READ = 2 * 1024 * 1024
"""Bytes of the reader's output, at most: its MOST times need less."""
_REDIRECTS = 3
_BACK = timedelta(days=1)
_HORIZON = timedelta(days=731)
"""How far ahead staff can book."""
_FOLLOW_AGAIN = timedelta(days=1)
_MAX_TAG = 500
_CHUNK = 64 * 1024


class BusyImport:
    """Brings calendars up to date."""

    def __init__(self, db: Database, outbound: OutboundClient, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._outbound = outbound
        self._clock = clock
        # A reader may take more than half of what a pod has; the usual one is done within half a second.
        self._reading = asyncio.Lock()

    async def claim(self, limit: int = AT_ONCE) -> list[Due]:
        """Some calendars whose time has come, so many at most, for this process to fetch."""
        now = self._clock()
        async with self._db.worker() as conn:
            return await busy_calendars.claim(conn, now, now + EVERY, limit)

    async def fetch(self, due: Due) -> None:
        """Fetches one calendar and notes what came of it; what a stranger sends ends nobody else's.

        Raises psycopg.Error and Unavailable where it is the database that fails.
        """
        try:
            await self._bring(due)
        except (OutboundFailed, OutboundRefused) as error:
            log.info("a busy calendar failed", resource_id=str(due.resource_id), fault=str(error))
            await self._write_fault(due, str(error))
        except (psycopg.OperationalError, psycopg.InterfaceError, Unavailable):
            raise
        except Exception as error:
            log.error("a busy calendar was given up", resource_id=str(due.resource_id), exc_info=error)
            await self._write_fault(due, "could not be taken over, by a fault of ours")

    async def _bring(self, due: Due) -> None:
        zone = await self._zone(due)
        if zone is None:
            return
        answer = await self._outbound.request(
            "GET",
            due.url,
            headers=self._conditions(due),
            seconds=_FETCH_SECONDS,
            max_bytes=MAX_BYTES,
            redirects=_REDIRECTS,
        )
        if answer.status == 304:
            await self._write_unchanged(due)
        elif answer.status == 200:
            await self._take_over(due, answer, zone)
        else:
            raise OutboundFailed(f"answers with status {answer.status}")

    async def _zone(self, due: Due) -> str | None:
        """Where the staff member works. None when they are gone, then their calendar is too, or their business."""
        async with self._db.tenant(due.tenant_id) as conn:
            if not await takes_events(conn, due.tenant_id):
                return None
            found = await allocations.resources(conn, due.tenant_id, [due.resource_id])
            if not found:
                await busy_calendars.delete(conn, due.tenant_id, due.resource_id, self._clock())
                log.info("a busy calendar's staff member is gone", resource_id=str(due.resource_id))
                return None
        return found[0].timezone

    def _conditions(self, due: Due) -> dict[str, str]:
        """None once a day: repeating events have to be followed further, though nothing has changed."""
        if due.expanded_at is None or self._clock() - due.expanded_at > _FOLLOW_AGAIN:
            return {}
        headers = {"If-None-Match": due.etag, "If-Modified-Since": due.last_modified}
        return {name: value for name, value in headers.items() if value is not None}

    async def _write_unchanged(self, due: Due) -> None:
        async with self._db.tenant(due.tenant_id) as conn:
            if await takes_events(conn, due.tenant_id):
                await busy_calendars.unchanged(conn, due, self._clock())

    async def _write_fault(self, due: Due, fault: str) -> None:
        async with self._db.tenant(due.tenant_id) as conn:
            if await takes_events(conn, due.tenant_id):
                again = (EVERY, _FAILING_EVERY)
                await busy_calendars.failed(conn, due, fault, self._clock(), again=again)

    async def _take_over(self, due: Due, answer: OutboundAnswer, zone: str) -> None:
        now = self._clock()
        async with self._reading:
            taken = await read_apart(answer.body, zone, now - _BACK, now + _HORIZON)
        tags = {name: _tag(answer, name) for name in ("ETag", "Last-Modified")}
        due = replace(due, etag=tags["ETag"], last_modified=tags["Last-Modified"])
        async with self._db.tenant(due.tenant_id) as conn:
            if not await takes_events(conn, due.tenant_id):
                return
            # As whoever takes the resource's time: nobody decides on half of it.
            await allocations.lock(conn, due.tenant_id, [due.resource_id])
            times = merged(await _of_others(conn, due, taken))
            await busy_calendars.replace_times(conn, due, times, now)
        log.info("a busy calendar was read", resource_id=str(due.resource_id), times=len(times))


async def read_apart(content: bytes, zone: str, begin: datetime, end: datetime) -> list[Taken]:
    """What .reading finds, in a process that has _READ_SECONDS and MAX_READ. Raises OutboundFailed."""
    bounds = [str(int(moment.timestamp())) for moment in (begin, end)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "booking.busy_calendars.reading",
        zone,
        *bounds,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},  # as much as a reader of strangers' calendars needs to know
    )
    try:
        async with asyncio.timeout(_READ_SECONDS):
            out, err = await _communicate(process, content)
    except TimeoutError:
        raise OutboundFailed("takes too long to be read") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return await asyncio.to_thread(_parsed, out)
    said = (err.decode(errors="replace").strip().splitlines() or [""])[-1]
    if process.returncode == 2:
        raise OutboundFailed(said)
    if process.returncode == 1:  # whatever a library makes of a strange calendar; the message may quote it
        log.warning("a busy calendar could not be read", error=said.partition(":")[0])
        raise OutboundFailed("holds an event that cannot be read")
    raise OutboundFailed("takes too long to be read")


async def _communicate(process: Process, content: bytes) -> tuple[bytes, bytes]:
    """As `process.communicate`, but the process is killed when it writes more than MAX_READ."""
    _, out, err = await asyncio.gather(
        _feed(process.stdin, content), _told(process, process.stdout), _told(process, process.stderr)
    )
    await process.wait()
    if max(len(out), len(err)) > MAX_READ:
        raise OutboundFailed("holds more than can be read")
    return out, err


async def _feed(stream: asyncio.StreamWriter | None, content: bytes) -> None:
    assert stream is not None  # noqa: S101 - a pipe
    with suppress(BrokenPipeError, ConnectionResetError):  # it ended before it had read everything
        stream.write(content)
        await stream.drain()
    stream.close()


async def _told(process: Process, stream: asyncio.StreamReader | None) -> bytes:
    assert stream is not None  # noqa: S101 - a pipe
    told = bytearray()
    while chunk := await stream.read(_CHUNK):
        told += chunk
        if len(told) > MAX_READ:
            process.kill()
            await stream.read()  # what is under way; a pipe that is not read to its end stays open
    return bytes(told)


def _parsed(told: bytes) -> list[Taken]:
    return [
        (own and UUID(own), datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(until, UTC))
        for own, start, until in json.loads(told)
    ]


async def _of_others(conn: Connection, due: Due, taken: Sequence[Taken]) -> list[Span]:
    """Without the resource's own appointments: their time is taken already, and stays so no longer than they do.

    Another's may stand there, too: somebody who works here is a colleague's customer, and busy then.
    """
    ids = {appointment_id for appointment_id, _, _ in taken if appointment_id is not None}
    own = await busy_calendars.own_appointments(conn, due, list(ids)) if ids else set()
    return [(start, end) for appointment_id, start, end in taken if appointment_id not in own]


def merged(spans: Sequence[Span]) -> list[Span]:
    """The same time in as few spans as there can be."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _tag(answer: OutboundAnswer, name: str) -> str | None:
    """None also for one beyond ASCII (RFC 9110, 5.5): its bytes may be no text that the database could keep."""
    value = answer.headers.get(name)
    if value is None or len(value) > _MAX_TAG or not (value.isascii() and value.isprintable()):
        return None
    return value
