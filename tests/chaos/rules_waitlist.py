"""Rules about the waitlist: its places, what they are offered, and what comes of that. See checker.py.

Standard library only. That an offered time is kept is rules_holds.py's; that what an offer becomes is an
appointment like any other, the other rules'.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from chaos.catalog import Row
from chaos.evidence import Event, Evidence, Violation
from chaos.operations import FOREVER, Operation, seconds
from chaos.rules_holds import offers_as_told

_PLACE, _ONE = "a place on the waitlist is as it was answered", "a place has one offer at a time"
_OVER, _BOOKED = "a place that has ended is offered nothing", "an accepted offer is one appointment"
_TOLD, _MAIL = "an offer is told once", "an offer is one mail"
_IN_LINE = frozenset({"waiting", "offered"})
_MOST_OFFERS = 3
_OF_AN_OFFER = ("service_id", "customer_id", "starts_at", "ends_at", "offered_at", "expires_at", "staff_ids")
_BY_LINK = frozenset({"look", "leave", "accept", "remove", "offer"})


def places_are_as_answered(run: Evidence) -> Iterator[Violation]:
    """A place that was acknowledged is there, as it was asked for, and is found; of a wish there is one at most.

    Once somebody was answered that it has ended, it has ended so, for everybody who asks from then on.
    """
    made: dict[str, list[Row]] = defaultdict(list)
    for place in run.places.values():
        made[run.emails[place["customer_id"]]].append(place)
    wishes: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind == "join":
            wishes[operation.args["email"]].append(operation)
    for email in made.keys() - wishes.keys():
        yield Violation(_PLACE, f"nobody has asked for {made[email]}")
    for email, operations in wishes.items():
        there, wish = made[email], operations[0]
        acknowledged = {operation.answer["id"] for operation in operations if operation.outcome == "ok"}
        if len(there) > 1 or acknowledged - {place["id"] for place in there}:
            yield Violation(_PLACE, f"acknowledged as {acknowledged}, and {there} is there: {wish}")
        if there and all(operation.outcome == "refused" for operation in operations):
            yield Violation(_PLACE, f"refused and there as {there}: {wish}")
        asked = (wish.args["service_id"], wish.args["staff_id"], seconds(wish.args["to"]))
        for place in there:
            if (place["service_id"], place["staff_id"], place["latest"]) != asked or (
                place["earliest"] < seconds(wish.args["from"])
            ):
                yield Violation(_PLACE, f"asked for as {wish}, and it is {place}")
    for operation in run.operations:
        if operation.kind in _BY_LINK and operation.problem == "not-found":
            yield Violation(_PLACE, f"acknowledged and not found: {operation}")
        if operation.kind in _BY_LINK and operation.outcome == "ok":
            yield from _is_as_answered(run, operation)
    yield from _ended_for_good(run)


def _is_as_answered(run: Evidence, operation: Operation) -> Iterator[Violation]:
    place, answer = run.places.get(operation.args["place_id"]), operation.answer
    if place is None:
        return
    if operation.tenant != place["tenant"]:
        yield Violation("tenants are apart", f"{operation} was answered {place}")
    state = answer["state"] if operation.kind in {"look", "leave"} else "waiting"
    if state not in _IN_LINE and state != place["state"]:
        yield Violation(_PLACE, f"it was answered as {state}, and is {place}")
    if operation.kind in {"leave", "remove"} and place["state"] in _IN_LINE:
        yield Violation(_PLACE, f"it is {place}: {operation}")
    offered = answer["offer"] if operation.kind in {"look", "offer"} else None
    if offered is not None and not offers_as_told(run, operation):
        yield Violation(_PLACE, f"it was never offered what was answered: {operation}")


def _ended_for_good(run: Evidence) -> Iterator[Violation]:
    over = _over(run)
    for operation in run.operations:
        if operation.kind != "look" or operation.outcome != "ok" or operation.answer["state"] not in _IN_LINE:
            continue
        if over.get(operation.args["place_id"], FOREVER) < operation.began:
            yield Violation(_PLACE, f"it had ended, and was answered otherwise: {operation}")


def _over(run: Evidence) -> dict[str, float]:
    """By place, when it surely had ended, as somebody had been answered."""
    over: dict[str, float] = {}
    for operation in run.operations:
        if operation.outcome != "ok":
            continue
        seen_ended = operation.kind == "look" and operation.answer["state"] not in _IN_LINE
        if operation.kind in {"accept", "leave", "remove"} or seen_ended:
            place_id = operation.args["place_id"]
            over[place_id] = min(operation.ended, over.get(place_id, FOREVER))
    return over


def offers_follow_each_other(run: Evidence) -> Iterator[Violation]:
    """A place has one offer at a time, three at most, and never the same time twice but by hand.

    The next one is made when the one before has run out, by the clock that made it, as nothing else ends an offer
    and not the place.
    """
    by_hand = _by_hand(run)
    for place_id, offers in _offers(run).items():
        place = run.places[place_id]
        standing = [offer for offer in offers if offer["outcome"] is None]
        if len(standing) != (place["state"] == "offered") or len(offers) > _MOST_OFFERS:
            yield Violation(_ONE, f"{place} has {offers}")
        for before, after in pairwise(offers):
            if after["offered_at"] < before["expires_at"] - run.setup["clock_slack"]:
                yield Violation(_ONE, f"{after} was made while {before} stood")
        for number, after in enumerate(offers):
            for before in offers[:number] if after["id"] not in by_hand else ():
                if before["starts_at"] < after["ends_at"] and after["starts_at"] < before["ends_at"]:
                    yield Violation(_ONE, f"{before} was let pass, and then {after} was offered")
        for offer in offers:
            inside = place["earliest"] <= offer["starts_at"] < place["latest"]
            named = place["staff_id"] in {None, *offer["staff_ids"]}
            if offer["id"] not in by_hand and not (inside and named):
                yield Violation(_ONE, f"{place} was offered {offer}")


def _by_hand(run: Evidence) -> set[str]:
    """The offers that somebody may have made by hand: of each such start that was asked for."""
    asked: dict[str, set[float]] = defaultdict(set)
    for operation in run.operations:
        if operation.kind == "offer" and operation.outcome != "refused":
            asked[operation.args["place_id"]].add(seconds(operation.args["starts_at"]))
    return {offer["id"] for offer in run.offers.values() if offer["starts_at"] in asked[offer["place_id"]]}


def _offers(run: Evidence) -> dict[str, list[Row]]:
    """By place, in the order in which they were made."""
    found: dict[str, list[Row]] = defaultdict(list)
    told = {offer_id: number for number, offer_id in enumerate(run.offer_events())} if run.has_topics else {}
    for offer in sorted(run.offers.values(), key=lambda row: (told.get(row["id"], 0), row["offered_at"])):
        found[offer["place_id"]].append(offer)
    return found


def ended_places_are_offered_nothing(run: Evidence) -> Iterator[Violation]:
    """One that was taken, left or removed: no offer is made behind what was acknowledged, and none stands."""
    over, slack = _over(run), run.setup["clock_slack"]
    for place_id, offers in _offers(run).items():
        place = run.places[place_id]
        for offer in offers:
            made = offer["offered_at"] - run.setup["epoch"]
            if made - slack > over.get(place_id, made):
                yield Violation(_OVER, f"{place} had ended {over[place_id]} s into the run: {offer}")
            if offer["outcome"] is None and place["state"] not in _IN_LINE:
                yield Violation(_OVER, f"{place} has ended, and {offer} stands")
        taken = [number for number, offer in enumerate(offers, 1) if offer["outcome"] == "taken"]
        if taken and taken[0] < len(offers):
            yield Violation(_OVER, f"{place} was taken, and offered more: {offers}")


def accepted_offers_are_booked_once(run: Evidence) -> Iterator[Violation]:
    """Under the offer's id, for who waited, as it was offered; and nothing was booked that nobody took."""
    accepts: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind == "accept":
            accepts[operation.args["place_id"]].append(operation)
    booked: dict[str, list[Row]] = defaultdict(list)
    of_customer = {place["customer_id"]: place for place in run.places.values()}
    for row in run.appointments.values():
        if row["customer_id"] in of_customer:
            booked[of_customer[row["customer_id"]]["id"]].append(row)
    events = run.appointment_events() if run.has_topics else {}
    offers = _offers(run)
    for place_id, place in run.places.items():
        there, asked = booked[place_id], accepts[place_id]
        taken = [offer for offer in offers.get(place_id, ()) if offer["outcome"] == "taken"]
        acknowledged = {operation.answer["id"] for operation in asked if operation.outcome == "ok"}
        ids = [row["id"] for row in there]
        if ids != [offer["id"] for offer in taken] or len(ids) != (place["state"] == "booked"):
            yield Violation(_BOOKED, f"{place} has taken {taken}, and {there} was booked")
        if acknowledged - set(ids):
            yield Violation(_BOOKED, f"{acknowledged} was acknowledged, and {there} is there: {place}")
        if there and all(operation.outcome == "refused" for operation in asked):
            yield Violation(_BOOKED, f"nobody has taken {there}")
        for row in there:
            yield from _as_offered(run, row, events.get(row["id"], []))


def _as_offered(run: Evidence, row: Row, events: list[Event]) -> Iterator[Violation]:
    offer = run.offers.get(row["id"])
    if offer is None:
        return
    if row["service_id"] != run.places[offer["place_id"]]["service_id"]:
        yield Violation(_BOOKED, f"{offer} was booked as of another service: {row}")
    for event in events[:1]:
        said = (seconds(event.data["starts_at"]), sorted(event.data["staff_ids"]))
        if said != (offer["starts_at"], sorted(offer["staff_ids"])):
            yield Violation(_BOOKED, f"{offer} was booked as {event}")


def offers_are_told_once(run: Evidence) -> Iterator[Violation]:
    """Each by one event, of what its row says, those of a place in one partition and under its key."""
    told: dict[str, set[str]] = defaultdict(set)
    partitions: dict[str, set[int]] = defaultdict(set)
    for event in run.events("booking.waitlist.v1"):
        told[event.data["offer_id"]].add(event.id)
        partitions[event.data["entry_id"]].add(event.partition)
        place = run.places.get(event.data["entry_id"])
        tenant = place["tenant"] if place else None
        key = f"{tenant}/{event.data['entry_id']}"
        if (event.tenant, event.data["tenant_id"], event.key) != (tenant, tenant, key):
            yield Violation("tenants are apart", f"of {place}: {event}")
    for offer_id in told.keys() - run.offers.keys():
        yield Violation(_TOLD, f"{offer_id} was told of and is not there")
    for place_id, found in partitions.items():
        if len(found) > 1:
            yield Violation(_TOLD, f"the offers to {place_id} are in several partitions")
    events = run.offer_events()
    for offer_id, offer in run.offers.items():
        if len(told[offer_id]) != 1:
            yield Violation(_TOLD, f"{offer} was told of {len(told[offer_id])} times")
            continue
        place, data = run.places[offer["place_id"]], events[offer_id].data
        row = offer | {"service_id": place["service_id"], "customer_id": place["customer_id"]}
        times = {name: seconds(data[name]) for name in ("starts_at", "ends_at", "expires_at")}
        said = data | times | {"offered_at": seconds(data["occurred_at"])}
        wrong = [name for name in _OF_AN_OFFER if _plain(said[name]) != _plain(row[name])]
        if wrong or data["entry_id"] != offer["place_id"]:
            yield Violation(_TOLD, f"{wrong} of {offer} was told as {data}")


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value


def offers_are_mailed_once(run: Evidence) -> Iterator[Violation]:
    """One message for each offer. It is not sent where the offer has run out, or was taken before that.

    A place that was left is not told of by an event: its mail may come.
    """
    messages: dict[str, list[Row]] = defaultdict(list)
    for message in run.final["messages"]:
        if message["kind"] == "waitlist-offer":
            messages[message["appointment_id"]].append(message)
    slack = run.setup["clock_slack"]
    for offer_id in messages.keys() - run.offers.keys():
        yield Violation(_MAIL, f"{messages[offer_id]} is of no offer")
    for offer_id, offer in run.offers.items():
        found = messages[offer_id]
        if len(found) != 1:
            yield Violation(_MAIL, f"{len(found)} messages for {offer}")
        for message in found:
            if message["tenant"] != offer["tenant"]:
                yield Violation("tenants are apart", f"{message} is of {offer}")
            over = message["settled_at"] is not None and message["settled_at"] >= offer["expires_at"] - slack
            why = (message["status"], message["reason"])
            fitting = {("sent", None): True, ("failed", "Interrupted"): True}
            fitting |= {("suppressed", "stale"): offer_id in run.appointments}
            fitting |= {("suppressed", "too-late"): over, ("failed", "Unreachable"): over}
            if not fitting.get(why, False):
                yield Violation(_MAIL, f"{message} was not sent, and {offer} stood")


def judged(run: Evidence) -> Row:
    """How much of it there was to be looked at."""
    outcomes = [offer["outcome"] for offer in run.offers.values()]
    sent = [item for item in run.final.get("messages", ()) if item["kind"] == "waitlist-offer"]
    return {
        "places": len(run.places),
        "offers": len(outcomes),
        "taken": outcomes.count("taken"),
        "let pass": outcomes.count("lapsed"),
        "given back": outcomes.count("withdrawn"),
        "seen while they stood": len(
            {
                offer_id
                for item in run.operations
                if item.kind == "look" and item.outcome == "ok" and item.answer["offer"]
                for offer_id in offers_as_told(run, item)
            }
        ),
        "mails": sum(message["status"] == "sent" for message in sent),
    }
