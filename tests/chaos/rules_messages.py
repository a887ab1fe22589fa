"""Rules about what customers were sent: all of it, once, and nothing else. Standard library; see checker.py."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from chaos.catalog import Row
from chaos.evidence import Event, Evidence, Fault, Violation
from chaos.operations import seconds
from chaos.rules_reminders import LATE_SECONDS, Asked, reminders_of

_NOTICES = frozenset({"booked", "confirmed", "rescheduled", "cancelled"})
_TAKEN = frozenset({"cut behind its content", "answer held back"})
"""Faults of one mail of which the server has a copy that the sender was never told of."""
_OFFER = "waitlist-offer"
_DOUBT_SECONDS = 5.0
"""So long before and behind a crash a mail's outcome may have been lost by it."""


def one_message_a_cause(run: Evidence) -> Iterator[Violation]:
    """A change of an appointment asks for one notice, a reminder for one message; a reminder comes due once."""
    rule = "one effect a cause"
    due: dict[str, set[str]] = defaultdict(set)
    for event in run.events("scheduler.reminder.v1"):
        due[event.data["reminder_id"]].add(event.id)
    for reminder_id, events in due.items():
        if len(events) > 1:
            yield Violation(rule, f"reminder {reminder_id} came due {len(events)} times")
    causes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    told = {
        (appointment_id, event.data["version"], event.kind)
        for appointment_id, events in run.appointment_events().items()
        for event in events
    } | {(offer_id, 0, _OFFER) for offer_id in run.offer_events()}
    for message in run.final["messages"]:
        cause = message["reminder_id"] or message["kind"]
        of = (message["appointment_id"], str(message["appointment_version"]), cause, message["channel"])
        causes[of].append(message["id"])
        if message["kind"] == "reminder" and message["reminder_id"] not in due:
            yield Violation(rule, f"{message} was sent for, and did not come due")
        asked = reminders_of(run).asked.get(message["reminder_id"])
        if asked is not None and message["channel"] != asked.event.data["channel"]:
            yield Violation(rule, f"{message} goes by another channel than {asked.event}")
        if message["kind"] != "reminder":
            change = (message["appointment_id"], message["appointment_version"], message["kind"])
            if change not in told:
                yield Violation(rule, f"{message} is of a change that was not told of")
        row = (run.offers if message["kind"] == _OFFER else run.appointments).get(message["appointment_id"])
        if row is None or row["tenant"] != message["tenant"]:
            yield Violation("tenants are apart", f"{message} is of {row}")
    for key, ids in causes.items():
        if len(ids) > 1:
            yield Violation(rule, f"{len(ids)} messages for {key}")


def one_mail_a_message(run: Evidence) -> Iterator[Violation]:
    """As the mail server has them; a second copy only where a fault left the first in doubt, and that is said."""
    rule = "one mail a message"
    mails, struck, texts = _mails(run), _struck(run), set(run.final["texts"])
    messages = {message["id"]: message for message in run.final["messages"]}
    for message_id in (mails.keys() | texts) - messages.keys():
        yield Violation(rule, f"{message_id}, received as {mails[message_id]}, is of no message")
    for message_id, message in messages.items():
        copies = mails[message_id]
        if message["channel"] == "sms":
            wrong = {"sent": message_id not in texts, "suppressed": message_id in texts}
            if copies or wrong.get(message["status"], False):
                yield Violation(rule, f"{message} is a text; as a mail there are {copies} of it")
            continue
        if message["status"] == "sent" and not copies:
            yield Violation(rule, f"{message} was not received")
        if message["status"] == "suppressed" and copies:
            yield Violation(rule, f"{message} was received")
        address = _address(run, message["appointment_id"])
        if {mail["to"] for mail in copies} - {address}:
            yield Violation("tenants are apart", f"{message} for {address} went to {copies}")
        if len(copies) > max(1, message["attempts"]) or (len(copies) > 1 and not message["repeated"]):
            yield Violation(rule, f"{message} was received {len(copies)} times and does not say so")
        taken = [fault for fault in struck[message_id] if fault.what in _TAKEN]
        for copy in _without(copies, taken, run.setup["epoch"])[:-1]:
            if not _in_doubt(run, copy["created"] - run.setup["epoch"]):
                yield Violation(rule, f"{message} was repeated and nothing had left it in doubt: {copies}")


def _address(run: Evidence, key: str) -> str:
    """Whose the appointment is, or the place that was offered what may become it."""
    if key in run.appointments:
        return run.email_of(key)
    return run.emails[run.places[run.offers[key]["place_id"]]["customer_id"]] if key in run.offers else ""


def _mails(run: Evidence) -> dict[str, list[Row]]:
    """By message, the oldest first."""
    mails: dict[str, list[Row]] = defaultdict(list)
    for mail in sorted(run.final["mails"], key=lambda mail: float(mail["created"])):
        mails[mail["message_id"]].append(mail)
    return mails


def _struck(run: Evidence) -> dict[str, list[Fault]]:
    """By message, the faults that struck its mail and no other."""
    struck: dict[str, list[Fault]] = defaultdict(list)
    for fault in run.faults:
        if fault.mail is not None:
            struck[fault.mail].append(fault)
    return struck


def _without(copies: list[Row], taken: list[Fault], epoch: float) -> list[Row]:
    """The copies but those that the faults are about: each is about the one that came when it struck."""
    left = list(copies)
    for fault in taken:
        if left:
            left.remove(min(left, key=lambda copy: abs(copy["created"] - epoch - fault.at)))
    return left


def _in_doubt(run: Evidence, at: float) -> bool:
    """Whether a fault may have kept the sender from hearing what became of a mail, or from writing it down.

    Another service's connections to the database have to do with neither.
    """
    return any(
        fault.target in {"notification", "postgres", "smtp"} and abs(fault.at - at) < _DOUBT_SECONDS
        for fault in run.faults
    )


def in_doubt_is_repeated_and_says_so(run: Evidence) -> Iterator[Violation]:
    """Where a fault struck one mail, behind its content or within it: its sender cannot know what became of it.

    What the server took is in the mailbox; nothing is told of as held back. What was sent in the end was sent
    again, and is marked; what was not wanted any more has failed as Interrupted.
    """
    rule = "in doubt is repeated and says so"
    mails = _mails(run)
    messages = {message["id"]: message for message in run.final["messages"]}
    for message_id, faults in _struck(run).items():
        message, copies = messages.get(message_id), len(mails[message_id])
        taken = sum(fault.what in _TAKEN for fault in faults)
        if message is None:
            yield Violation(rule, f"{faults} struck a mail of no message")
        elif copies < taken:
            yield Violation(rule, f"{message} was taken {taken} times, and {copies} are there")
        elif message["status"] == "sent":
            if copies == taken:
                yield Violation(rule, f"{message} counts as sent, and nobody had said so: {faults}")
            if not message["repeated"]:
                yield Violation(rule, f"{message} does not say that it may be a repeat: {faults}")
        elif (message["status"], message["reason"]) != ("failed", "Interrupted"):
            yield Violation(rule, f"{message} may have arrived: {faults}")


def settled_is_told_once(run: Evidence) -> Iterator[Violation]:
    """What became of a message is one event, which says what its record says; of an offer's mail there is none."""
    rule = "what became of a message is told once"
    told: dict[str, Counter[str]] = defaultdict(Counter)
    events = {event.id: event for event in run.events("notification.message.v1")}
    for event in events.values():
        told[event.data["message_id"]][event.kind] += 1
    messages = {message["id"]: message for message in run.final["messages"]}
    for message_id in told.keys() - messages.keys():
        yield Violation(rule, f"{message_id} was told of and is not there")
    for message_id, message in messages.items():
        untold = message["status"] in {"queued", "sending"} or message["kind"] == _OFFER
        wanted = [] if untold else [message["status"]]
        if told[message_id] != Counter(wanted):
            yield Violation(rule, f"{message} was told of as {dict(told[message_id])}")


def nothing_is_lost(run: Evidence) -> Iterator[Violation]:
    """Whoever agreed to mail was told of how their appointment stands, and reminded of it.

    By text messages, who agreed to these; by either, nobody else.
    """
    agreed = {"email": "consent", "sms": "phone"}
    writes_to: dict[str, set[str]] = {}
    for channel, name in agreed.items():
        asked = (item for item in run.operations if item.kind in {"book", "book-series", "join"})
        customers = {item.args["email"] for item in asked if item.args[name]}
        writes_to[channel] = {key for key in run.appointments if run.email_of(key) in customers}
    for message in run.final["messages"]:
        if message["status"] in {"queued", "sending"}:
            yield Violation("nothing is lost", f"{message} is not settled")
    yield from _notices(run, writes_to["email"])
    yield from _reminders(run, writes_to)


def _notices(run: Evidence, writes_to: set[str]) -> Iterator[Violation]:
    rule = "nothing is lost"
    by_change = {
        (item["appointment_id"], item["appointment_version"], item["kind"]): item
        for item in run.final["messages"]
    }
    for appointment_id, events in run.appointment_events().items():
        for event in events:
            if event.kind not in _NOTICES:
                continue
            message = by_change.get((appointment_id, event.data["version"], event.kind))
            if message is None:
                yield Violation(rule, f"nothing was sent for {event}")
            elif appointment_id not in writes_to and message["status"] != "suppressed":
                yield Violation(rule, f"{message} was sent without consent")
            elif (
                appointment_id in writes_to
                and event is events[-1]
                and _is_news(event)
                and message["status"] != "sent"
            ):
                yield Violation(rule, f"{message} was not sent")


def _is_news(event: Event) -> bool:
    """Of an appointment under way nobody is told, unless it is cancelled; until it runs out it can be confirmed."""
    return event.kind == "cancelled" or seconds(event.data["occurred_at"]) < seconds(event.data["starts_at"])


def _reminders(run: Evidence, writes_to: Mapping[str, set[str]]) -> Iterator[Violation]:
    """What was due LATE_SECONDS before a version, or a rule, was over came before that."""
    rule = "nothing is lost"
    by_reminder = {item["reminder_id"]: item for item in run.final["messages"] if item["reminder_id"]}
    for asked in reminders_of(run).asked.values():
        ends, due = _over(asked), asked.due
        over = ends is not None and due > ends - LATE_SECONDS
        if asked.stood is None or over or due > run.marks["quiet"]["clock"]:
            continue
        message = by_reminder.get(asked.id)
        if message is None:
            yield Violation(rule, f"{asked} asked for no message")
        elif asked.stood.appointment_id not in writes_to[message["channel"]]:
            if message["status"] == "sent":
                yield Violation(rule, f"{message} was sent without consent")
        elif ends is None and message["status"] != "sent":
            yield Violation(rule, f"{message} was not sent")


def withdrawn_is_not_sent(run: Evidence) -> Iterator[Violation]:
    """A reminder that came due when all was healed and quiet, and was over by then, is not sent."""
    if "healed" not in run.marks:  # a run without faults, and without reminders
        return
    by_reminder = {item["reminder_id"]: item for item in run.final["messages"] if item["reminder_id"]}
    healed = run.marks["healed"]["clock"] + run.setup["clock_slack"]
    for asked in reminders_of(run).asked.values():
        ends = _over(asked)
        if ends is not None and ends < healed < asked.due and asked.id in by_reminder:
            yield Violation(
                "what is withdrawn is not sent", f"{by_reminder[asked.id]} was over at {ends}: {asked}"
            )


def _over(asked: Asked) -> float | None:
    """When it was withdrawn, or its version over; None while it stands."""
    ended = asked.stood.ends if asked.stood is not None else None
    return min((at for at in (asked.withdrawn, ended) if at is not None), default=None)
