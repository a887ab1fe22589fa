"""`python -m tenant_operator dead-letters`: lists, shows and puts back what consumers could not read.

Run in the operator's pod, by `kubectl slotwright dead-letters` or by hand; the operator's user may read all
dead letters. What is guaranteed of a re-drive: servicekit.redrive. `list` prints headers and ids alone: a
letter may hold what a person has written, and so may the words of a failure, which `show` prints.
"""

import argparse
import base64
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import structlog
from confluent_kafka import KafkaException
from pydantic import ValidationError

from servicekit.redrive import SERVICES, DeadLetterBox, Letter, Outcome, RedriveError
from servicekit.settings import KafkaSettings

_MOST = 500
"""How many letters are listed without --limit: a screen, or a few."""

Body = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    commands = parser.add_subparsers(dest="action", required=True)
    listing = commands.add_parser("list", help="those that have not been put back")
    listing.add_argument("--all", action="store_true", help="those that have, too")
    listing.add_argument(
        "--limit",
        type=int,
        default=_MOST,
        metavar="N",
        help=f"the first N, the oldest first; {_MOST} if not given",
    )
    showing = commands.add_parser("show", help="one letter's failure and headers")
    showing.add_argument("letter", help="its id, such as analytics/0/17")
    showing.add_argument("--data", action="store_true", help="its bytes, too: they may hold a person's data")
    redriving = commands.add_parser("redrive", help="put letters back to the topics that they came from")
    redriving.add_argument("letters", nargs="*", metavar="letter", help="ids; none is all that match")
    redriving.add_argument(
        "--all", action="store_true", help="every letter, when neither ids nor filters are given"
    )
    redriving.add_argument("--dry-run", action="store_true", help="say which, and put none back")
    for command in (listing, redriving):
        command.add_argument(
            "--consumer", help="a consumer, such as analytics.figures, or a service, such as analytics"
        )
        command.add_argument("--tenant", help="a tenant's name or id")
    for command in (listing, showing, redriving):
        command.add_argument("--output", choices=["text", "json"], default="text")


def run(given: argparse.Namespace) -> int:
    """Answers the exit code: 1 with a sentence on stderr when something could not be done, 2 for wrong usage."""
    # stdout is the answer's alone.
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    action: Callable[[argparse.Namespace, DeadLetterBox], int] = {
        "list": _list,
        "show": _show,
        "redrive": _redrive,
    }[given.action]
    try:
        with closing(DeadLetterBox(KafkaSettings())) as box:
            return action(given, box)
    except ValidationError as error:
        names = ", ".join(
            f"SLOTWRIGHT_KAFKA_{'_'.join(map(str, item['loc'])).upper()}" for item in error.errors()
        )
        return _say(f"These settings are missing or wrong: {names}.", 2)
    except RedriveError as error:
        return _say(str(error), 1)
    except KafkaException as error:  # settings that no client can be made of
        return _say(f"Kafka cannot be reached: {error.args[0].str().rstrip('.')}.", 1)


def _list(given: argparse.Namespace, box: DeadLetterBox) -> int:
    names = box.tenants()
    rows = _Rows(given.output, "id", "time", "consumer", "type", "tenant", "error", "redriven")
    shown = more = 0
    for letter in _matching(given, box, names):
        if letter.redriven is not None and not given.all:
            continue
        if shown < given.limit:
            shown += 1
            rows.print(_row(letter, names))
        else:
            more += 1
    rows.end(more=more)
    if more and given.output == "text":
        _say(f"{more} more are not shown; give a larger --limit, or --consumer or --tenant.", 0)
    return 0


def _show(given: argparse.Namespace, box: DeadLetterBox) -> int:
    (letter,) = box.named([given.letter])
    body = _row(letter, box.tenants()) | {
        "partition": letter.partition,
        "offset": letter.offset,
        "key": None if letter.key is None else letter.key.decode("utf-8", "backslashreplace"),
        "failure": letter.failure,
        "headers": {name: letter.header(name) for name, _value in letter.headers},
        "size": letter.size or 0,
    }
    if given.data:
        message = box.message(letter)
        value = message.value if message is not None else None
        body["data"] = None if value is None else base64.b64encode(value).decode()
    text = json.dumps(body) if given.output == "json" else "\n".join(f"{k}\t{v}" for k, v in body.items())
    sys.stdout.write(f"{text}\n")
    return 0


def _redrive(given: argparse.Namespace, box: DeadLetterBox) -> int:
    filtered = bool(given.consumer or given.tenant)
    if [bool(given.letters), filtered, given.all].count(True) != 1:
        return _say("Give letters' ids, or --consumer and --tenant, or --all.", 2)
    # Their places alone: there may be very many, and the box reads a letter again before it puts it back.
    if given.letters:
        wanted = [(letter.place, letter.redriven) for letter in box.named(given.letters)]
    else:
        names = box.tenants() if given.tenant else {}
        found = _matching(given, box, names)
        wanted = [(letter.place, None) for letter in found if letter.redriven is None]
    rows = _Rows(given.output, "id", "result", "reason")
    for number, (place, redriven) in enumerate(wanted):
        try:
            outcome = (
                box.redrive(place, dry_run=given.dry_run)
                if redriven is None
                else Outcome(place, "already", f"It was put back at {redriven}.")
            )
        except RedriveError as error:
            rows.end()
            return _say(f"{error} {len(wanted) - number} letters have not been put back.", 1)
        rows.print(_outcome(outcome))
    rows.end()
    return 0


def _outcome(outcome: Outcome) -> Body:
    letter = outcome.letter
    return {
        "id": outcome.place.id,
        "consumer": letter.consumer if letter else None,
        "topic": letter.topic if letter else None,
        "eventId": (letter.event_id if letter else "") or None,
        "result": outcome.result,
        "reason": outcome.reason,
    }


def _matching(given: argparse.Namespace, box: DeadLetterBox, names: dict[UUID, str]) -> Iterator[Letter]:
    """The letters of the given consumer and tenant, or of all. Raises RedriveError for one that does not exist."""
    tenant = _tenant_id(given.tenant, names) if given.tenant else None
    services: Iterable[str] = SERVICES
    if given.consumer:
        service = given.consumer.partition(".")[0]
        if service not in SERVICES:
            raise RedriveError(f"There is no consumer {given.consumer}; services are {', '.join(SERVICES)}.")
        services = (service,)

    def matches(letter: Letter) -> bool:
        mine = given.consumer in {None, letter.place.service, letter.consumer}
        return mine and (tenant is None or letter.tenant_id == tenant)

    return box.letters(services, matches)


def _tenant_id(given: str, names: dict[UUID, str]) -> str:
    """A tenant that is gone has no name any more; its id is taken as it is."""
    try:
        return str(UUID(given))
    except ValueError:
        for tenant_id, slug in names.items():
            if slug == given:
                return str(tenant_id)
    raise RedriveError(f"There is no tenant named {given}; give the id of one that is gone.")


def _row(letter: Letter, names: dict[UUID, str]) -> Body:
    try:
        name = names.get(UUID(letter.tenant_id))
    except ValueError:
        name = None
    return {
        "id": letter.id,
        "consumer": letter.consumer,
        "topic": letter.topic,
        "eventId": letter.event_id or None,
        "type": letter.header("ce_type") or None,
        "tenantId": letter.tenant_id or None,
        "tenant": name,
        "time": letter.time,
        "error": letter.error,
        "redriven": letter.redriven,
    }


class _Rows:
    """Letters as they come, each printed before the next is asked for: `{"letters": [...]}`, or a line each.

    So there may be very many of them, and no proxy between here and the terminal takes the connection for dead.
    """

    def __init__(self, output: str, *columns: str) -> None:
        """`columns` are the fields that text has."""
        self._json = output == "json"
        self._columns = columns
        self._first = True

    def print(self, row: Body) -> None:
        if self._json:
            self._write(('{"letters": [' if self._first else ",") + json.dumps(row))
        else:
            self._write("\t".join(str(row[name] if row[name] is not None else "-") for name in self._columns))
        self._first = False

    def end(self, **fields: int) -> None:
        """Closes the list; `fields` stand beside it in JSON."""
        if self._json:
            told = "".join(f', "{name}": {value}' for name, value in fields.items())
            self._write(('{"letters": [' if self._first else "") + f"]{told}}}")

    def _write(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code
