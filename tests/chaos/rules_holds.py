"""Rules about times that are kept: by a hold, or for who is offered one on the waitlist. See checker.py.

Standard library only.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from chaos.evidence import OPEN, Evidence, Violation
from chaos.makings import Making, makings_of
from chaos.operations import FOREVER, Operation, seconds

_RULE = "a hold is kept"
_OFFER = "an offered time is kept"
_GRANTS = frozenset({"book", "reschedule", "hold"})
_ENDS_AN_OFFER = frozenset({"accept", "leave", "remove"})


class Granted(NamedTuple):
    """A time that somebody was granted, at some moment between two seconds of the run."""

    says: str
    tenant: str
    making: Making
    began: float
    ended: float


class Kept(NamedTuple):
    """A time that surely was somebody's between two seconds of the run."""

    rule: str
    says: str
    tenant: str
    making: Making
    since: float
    until: float


def holds_are_kept(run: Evidence) -> Iterator[Violation]:
    """Nobody else gets a slot while it is held, and a hold becomes one appointment, of what was held.

    One that is given back is kept until that was asked for, and becomes none once it was acknowledged.
    """
    used: dict[str, list[Operation]] = defaultdict(list)
    given_back: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind == "book" and operation.args.get("hold_id"):
            used[operation.args["hold_id"]].append(operation)
        if operation.kind == "give-back":
            given_back[operation.args["hold_id"]].append(operation)
    kept = []
    for hold in run.operations:
        if hold.kind != "hold" or hold.outcome != "ok":
            continue
        uses, returns = used[hold.answer["id"]], given_back[hold.answer["id"]]
        yield from _used_once(hold, uses)
        yield from _used_no_more(hold, uses, returns)
        expires = seconds(hold.answer["expires_at"]) - run.setup["epoch"] - run.setup["clock_slack"]
        until = min([expires, *(operation.began for operation in [*uses, *returns])])
        making = makings_of(run).of_holds[hold.answer["id"]]
        kept.append(Kept(_RULE, str(hold), hold.tenant, making, hold.ended, until))
    yield from _granted_meanwhile(run, kept, _told(run))


def offered_times_are_kept(run: Evidence) -> Iterator[Violation]:
    """The same of an offer, from when somebody is told of it until it runs out, or its place is to be ended."""
    kept, told = [], _told(run)
    ends: dict[str, float] = {}
    for operation in run.operations:
        if operation.kind in _ENDS_AN_OFFER and operation.outcome != "refused":
            place_id = operation.args["place_id"]
            ends[place_id] = min(operation.began, ends.get(place_id, FOREVER))
    for offer_id, since in told.items():
        offer = run.offers[offer_id]
        expires = offer["expires_at"] - run.setup["epoch"] - run.setup["clock_slack"]
        until = min(expires, ends.get(offer["place_id"], FOREVER))
        making = makings_of(run).of_holds[offer["hold_id"]]
        kept.append(Kept(_OFFER, str(offer), offer["tenant"], making, since, until))
    yield from _granted_meanwhile(run, kept, told)


def _told(run: Evidence) -> dict[str, float]:
    """By offer, when somebody first had been told of it."""
    told: dict[str, float] = {}
    for operation in run.operations:
        if operation.outcome == "ok" and operation.kind in {"look", "offer"} and operation.answer["offer"]:
            for offer_id in offers_as_told(run, operation):
                told[offer_id] = min(operation.ended, told.get(offer_id, FOREVER))
    return told


def offers_as_told(run: Evidence, operation: Operation) -> list[str]:
    """The offers that an answer may have been about: those of that place with this start and end."""
    said = operation.answer["offer"]
    wanted = (operation.args["place_id"], seconds(said["starts_at"]), seconds(said["expires_at"]))
    return [
        offer["id"]
        for offer in run.offers.values()
        if wanted == (offer["place_id"], offer["starts_at"], offer["expires_at"])
        and sorted(said["staff_ids"]) == sorted(offer["staff_ids"])
    ]


def _granted_meanwhile(run: Evidence, kept: list[Kept], told: Mapping[str, float]) -> Iterator[Violation]:
    granted: dict[tuple[str, str], list[Granted]] = defaultdict(list)
    for grant in _grants(run, told):
        for resource in set(grant.making.staff_ids) - run.rooms:
            granted[grant.tenant, resource].append(grant)
    for item in kept:
        for resource in set(item.making.staff_ids) - run.rooms:
            for grant in granted[item.tenant, resource]:
                meanwhile = item.since < grant.began <= grant.ended < item.until
                if meanwhile and _in_the_way(run, grant.making, item.making, resource):
                    yield Violation(item.rule, f"{grant.says} was granted during {item.says}")


def _grants(run: Evidence, told: Mapping[str, float]) -> Iterator[Granted]:
    """Bookings, moves and holds that were acknowledged, and offers, of which somebody had been `told` by then."""
    makings = makings_of(run)
    for operation in run.singles:
        if operation.kind not in _GRANTS or operation.outcome != "ok":
            continue
        answer, began, ended = operation.answer, operation.began, operation.ended
        if operation.kind == "hold":
            yield Granted(str(operation), operation.tenant, makings.of_holds[answer["id"]], began, ended)
        elif answer["status"] in OPEN and (making := makings.of_version(answer["id"], answer["version"])):
            yield Granted(str(operation), operation.tenant, making, began, ended)
    for offer in run.offers.values():
        making = makings.of_holds[offer["hold_id"]]
        ended = min(making.ended, told.get(offer["id"], FOREVER))
        yield Granted(str(offer), offer["tenant"], making, making.began, ended)


def _used_once(hold: Operation, uses: list[Operation]) -> Iterator[Violation]:
    booked = {operation.answer["id"]: operation.answer for operation in uses if operation.outcome == "ok"}
    if len(booked) > 1:
        yield Violation(_RULE, f"{hold} was booked as {list(booked)}")
    staff_id, starts = hold.answer["staff_id"], seconds(hold.answer["starts_at"])
    for answer in booked.values():
        if staff_id not in answer["staff_ids"] or seconds(answer["starts_at"]) != starts:
            yield Violation(_RULE, f"{hold} was booked as {answer}")


def _used_no_more(hold: Operation, uses: list[Operation], returns: list[Operation]) -> Iterator[Violation]:
    """A wish that was first sent before may have been granted before; its repetition tells of that."""
    returned = min((operation.ended for operation in returns if operation.outcome == "ok"), default=FOREVER)
    sent: dict[str, float] = {}
    for operation in uses:
        began = sent.setdefault(operation.args["email"], operation.began)
        if operation.outcome == "ok" and began > returned:
            yield Violation(_RULE, f"{hold} was given back, and then booked: {operation}")


def _in_the_way(run: Evidence, granted: Making, held: Making, staff_id: str) -> bool:
    """Whether what was granted of somebody overlaps what is held; places of one class do not."""
    makings = makings_of(run)
    session = makings.session(granted)
    if session is not None and session == makings.session(held):
        return False
    (low, high), (begin, end) = makings.taken(granted, staff_id), makings.taken(held, staff_id)
    return low < end and begin < high
