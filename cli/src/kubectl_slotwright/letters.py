"""`kubectl slotwright dead-letters`: what the platform's consumers could not read, and putting it back.

The work is done by the operator's own command in its pod, which has Kafka's address and rights; this module
asks it and shows the answer. What a re-drive guarantees and what not: docs/kubectl.md.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from kubectl_slotwright.errors import PluginError
from kubectl_slotwright.screen import BAD, GOOD, UNSURE, Cell, Screen, clean, pairs, table, to_the_second
from kubectl_slotwright.session import Session, complete_tenants, session_options, with_session

_COMMAND = ("python", "-m", "tenant_operator", "dead-letters")
_NOT_DONE = frozenset({"refused", "superseded"})
_COLOURS = {"redriven": GOOD, "would": UNSURE, "refused": BAD, "superseded": BAD}

Body = Mapping[str, Any]

_consumer = click.option(
    "--consumer", help="A consumer, such as analytics.figures, or all of a service, such as analytics."
)
_tenant = click.option(
    "--tenant", shell_complete=complete_tenants, help="A tenant's name, or the id of one that is gone."
)


@click.group("dead-letters", short_help="What consumers could not read.")
@session_options
def group(**_given: object) -> None:
    """What the platform's consumers could not read, and putting it back.

    Runs a command in the operator's pod, which takes the right to `create pods/exec` there.
    """


@group.command("list", short_help="List them, by headers and ids alone.")
@_consumer
@_tenant
@click.option("--all", "everything", is_flag=True, help="Those that have been put back, too.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="The first so many, the oldest first.  [default: 500]"
)
@with_session
def list_command(
    session: Session, consumer: str | None, tenant: str | None, everything: bool, limit: int | None
) -> None:
    """The dead letters that have not been put back, by headers and ids alone: no word that a person has written.

    JSON: {letters: [{id, consumer, topic, eventId, type, tenantId, tenant, time, error, redriven}], more}.
    `tenant` is the name, null for one that is gone; `error` the failure's kind; `redriven` the time, null for one
    that was not; `more` says how many others there are behind the limit.
    """
    flags = [*(["--all"] if everything else []), *([f"--limit={limit}"] if limit else [])]
    body = _ask(session, "list", *_filters(consumer, tenant), *flags)
    session.emit(body, list_text(body["letters"], session.screen))
    if body.get("more"):
        session.tell(f"{body['more']} more are not shown; give a larger --limit, or --consumer or --tenant.")


@group.command("show", short_help="One letter: its failure and headers.")
@click.argument("letter")
@click.option("--data", is_flag=True, help="Its bytes, too: they may hold a person's data.")
@with_session
def show_command(session: Session, letter: str, data: bool) -> None:
    """One letter's failure and headers. The failure's words may quote what a person has written.

    JSON: as in `list`, and {partition, offset, key, failure, headers, size}, where `partition` and `offset` are the
    place on `topic` that it was read from, and `size` is in bytes; with --data also `data`, in base64, null for a
    tombstone (its size is 0), and where a compacted topic has a newer record of the key, or none any more.
    """
    body = _ask(session, "show", letter, *(["--data"] if data else []))
    session.emit(body, show_text(body, session.screen))


@group.command("redrive", short_help="Put them back where they came from.")
@click.argument("letters", nargs=-1, metavar="[LETTER]...")
@_consumer
@_tenant
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--dry-run", is_flag=True, help="Say which, and put none back.")
@with_session
def redrive_command(
    session: Session,
    letters: tuple[str, ...],
    consumer: str | None,
    tenant: str | None,
    everything: bool,
    dry_run: bool,
) -> None:
    """Puts letters back to the topics that they came from: those named, or those that match. Each only once.

    JSON: {letters: [{id, consumer, topic, eventId, result, reason}]}. `result` is redriven, already (it had been),
    superseded (a compacted topic has a newer record), refused (the service does not read that topic, the topic
    takes no message of its size, or the letter has gone), or would (with --dry-run). Exit code 1 when one was
    refused or superseded.
    """
    chosen = [bool(letters), bool(consumer or tenant), everything]
    if chosen.count(True) != 1:
        raise click.UsageError("Say which: letters' ids, or --consumer and --tenant, or --all.")
    flags = [*(["--all"] if everything else []), *(["--dry-run"] if dry_run else [])]
    try:
        body = _ask(session, "redrive", *flags, *_filters(consumer, tenant), *letters)
    except PluginError as error:
        done = _complete_letters(error.printed)
        if done:
            session.emit({"letters": done}, redrive_text(done, session.screen))
        raise
    session.emit(body, redrive_text(body["letters"], session.screen))
    left = [item["id"] for item in body["letters"] if item["result"] in _NOT_DONE]
    if left:
        raise PluginError(f"{len(left)} of {len(body['letters'])} have not been put back: {', '.join(left)}.")


def list_text(letters: Sequence[Body], screen: Screen) -> list[str]:
    if not letters:
        return ["There are no dead letters."]
    rows: list[Sequence[str | Cell]] = [("ID", "FAILED", "CONSUMER", "TYPE", "TENANT", "ERROR", "PUT BACK")]
    rows += [
        (
            letter["id"],
            to_the_second(letter["time"]),
            letter["consumer"],
            letter["type"] or "-",
            letter["tenant"] or letter["tenantId"] or "-",
            letter["error"],
            to_the_second(letter["redriven"] or "-"),
        )
        for letter in letters
    ]
    return table(rows, screen)


def show_text(letter: Body, screen: Screen) -> list[str]:
    """The failure first, then where it came from, then headers and bytes."""
    place = f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"
    lines = [f"Dead letter {letter['id']}"]
    lines += pairs(
        {
            "failure": letter["failure"],
            "failed": to_the_second(letter["time"]),
            "consumer": letter["consumer"],
            "from": place,
            "key": letter["key"] or "-",
            "tenant": letter["tenant"] or letter["tenantId"] or "-",
            "put back": to_the_second(letter["redriven"] or "-"),
            "bytes": str(letter["size"]),
        },
        screen,
    )
    lines += ["", "Headers", *pairs(letter["headers"], screen)]
    if "data" in letter:
        lines += ["", "Data", *_data(letter)]
    return lines


def redrive_text(letters: Sequence[Body], screen: Screen) -> list[str]:
    if not letters:
        return ["There are no such dead letters."]
    rows: list[Sequence[str | Cell]] = [
        (item["id"], Cell(item["result"], _COLOURS.get(item["result"])), item["reason"]) for item in letters
    ]
    return table(rows, screen)


def _data(letter: Body) -> Iterable[str]:
    encoded: str | None = letter["data"]
    if encoded is None and letter["size"]:
        return ["none: its topic has a newer record of the key, or none any more"]
    if encoded is None:
        return ["none: it is a tombstone"]
    text = base64.b64decode(encoded).decode("utf-8", "backslashreplace")
    return [clean(line) for line in text.splitlines()]


def _filters(consumer: str | None, tenant: str | None) -> list[str]:
    given = [f"--consumer={consumer}"] if consumer else []
    return given + ([f"--tenant={tenant}"] if tenant else [])


def _complete_letters(answer: str) -> list[Body]:
    """The complete letters of an answer that broke off: the operator writes each on a line of its own."""
    for text in (answer, answer.rpartition("\n")[0] + "]}"):
        try:
            found: list[Body] = json.loads(text)["letters"]
        except ValueError:
            continue
        return found
    return []


def _ask(session: Session, *arguments: str) -> dict[str, Any]:
    """What the operator's command answers. Raises PluginError with its own sentence where it fails."""
    answer = session.kubectl.in_operator(*_COMMAND, *arguments, "--output=json")
    try:
        body: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        raise PluginError(
            "The operator's answer is no JSON; is its release older than the plugin's?"
        ) from error
    return body
