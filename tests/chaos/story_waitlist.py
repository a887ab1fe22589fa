"""A place on the waitlist in a run made by hand: Wes waits for a morning, and is offered half an hour of Ada's.

For the checker's tests to break, as story.py.
"""

from datetime import UTC, datetime
from typing import Any

from chaos.story import ADA, CUT, Story, T, answer, half_an_hour_later, placed

WHEN, LATER, UNTIL = (f"2027-01-16T{hour:02}:00:00+00:00" for hour in (8, 9, 12))
LASTS = 30.0
_STATES = {None: "held", "taken": "confirmed"}


def at(story: Story, second: float) -> str:
    """What a right clock shows so many seconds into the run."""
    return datetime.fromtimestamp(story.setup["epoch"] + second, UTC).isoformat()


def waits(story: Story, state: str = "waiting", *, outcome: str = "ok", there: bool = True) -> None:
    """Wes joins in the fourth second, and at the end is `state`."""
    args = {"email": "wes@x", "consent": True, "phone": None, "service_id": CUT, "staff_id": None}
    told = {"id": "p", "state": "waiting", "offer": None}
    story.op("join", 4, args | {"from": WHEN, "to": UNTIL}, outcome, told if outcome == "ok" else None)
    if there:
        row: dict[str, Any] = {"tenant": T, "id": "p", "state": state, "service_id": CUT, "staff_id": None}
        row |= {"customer_id": "wes", "earliest": datetime.fromisoformat(WHEN).timestamp()}
        row |= {"latest": datetime.fromisoformat(UNTIL).timestamp()}
        story.final["booking"]["places"].append(row)
        story.final["booking"]["customers"].append({"id": "wes", "email": "wes@x"})


def offered(story: Story, key: str, second: float, outcome: str | None, *, starts_at: str = WHEN) -> None:
    """Half an hour of Ada's is held for them from then on, and that is told and mailed."""
    begin, made = datetime.fromisoformat(starts_at).timestamp(), story.setup["epoch"] + second
    offer: dict[str, Any] = {
        "tenant": T,
        "id": key,
        "place_id": "p",
        "hold_id": f"hold of {key}",
        "outcome": outcome,
    }
    offer |= {"staff_ids": [ADA], "starts_at": begin, "ends_at": begin + 1800}
    story.final["booking"]["offers"].append(offer | {"offered_at": made, "expires_at": made + LASTS})
    row = story.allocation("", begin, id=f"of {key}", state=_STATES.get(outcome, "released"))
    taken: dict[str, Any] = {"appointment_id": key, "hold_id": None}
    held: dict[str, Any] = {"appointment_id": None, "hold_id": offer["hold_id"]}
    story.final["booking"]["allocations"].append(row | (taken if outcome == "taken" else held))
    data = {"entry_id": "p", "offer_id": key, "customer_id": "wes"}
    data |= {"occurred_at": at(story, second), "expires_at": at(story, second + LASTS)}
    events = story.final["topics"]["booking.waitlist.v1"]
    kind = "booking.waitlist.offered.v1"
    events.append(story.event(len(events) + 1, kind, "p", 0, starts_at, **data))
    message = story.message("waitlist-offer", 0, "sent") | {"id": f"mail of {key}", "appointment_id": key}
    story.final["messages"].append(message | {"settled_at": made + 1})
    story.final["mails"].append({"message_id": message["id"], "to": "wes@x", "created": made + 1})


def looks(story: Story, second: float, state: str, offer: float | None = None, starts_at: str = WHEN) -> None:
    """And is answered an offer of that second, or none."""
    said = None
    if offer is not None:
        said = {"starts_at": starts_at, "ends_at": half_an_hour_later(starts_at), "staff_ids": [ADA]}
        said |= {"expires_at": at(story, offer + LASTS)}
    told = {"id": "p", "state": state, "offer": said}
    story.op("look", second, {"place_id": "p"}, "ok", told, lasts=0.1)


def accepts(story: Story, second: float, outcome: str = "ok", *, key: str = "o") -> None:
    told = answer(key, 1, "pending", WHEN) if outcome == "ok" else None
    story.op("accept", second, {"place_id": "p", "email": "wes@x"}, outcome, told, lasts=0.2)


def takes(story: Story, outcome: str = "ok") -> None:
    """All of it: waits, is offered the time, and has the appointment."""
    waits(story, "booked")
    offered(story, "o", 5, "taken")
    looks(story, 5.5, "offered", 5)
    accepts(story, 6, outcome)
    placed(story, "o", "wes", WHEN, at=6.1, sent=True)
    story.final["booking"]["allocations"].pop()  # the offer's is the appointment's


def lets_pass(story: Story) -> None:
    """And is offered another time when the first one has run out."""
    waits(story, "offered")
    offered(story, "o", 5, "lapsed")
    offered(story, "o2", 40, None, starts_at=LATER)


def leaves(story: Story, outcome: str = "ok") -> None:
    waits(story, "left")
    offered(story, "o", 5, "withdrawn")
    told = {"id": "p", "state": "left", "offer": None}
    story.op("leave", 7, {"place_id": "p"}, outcome, told if outcome == "ok" else None, lasts=0.2)


def offer_mail(story: Story, **values: Any) -> dict[str, Any]:
    """The first offer's message, changed; one that is not sent has not come."""
    found: dict[str, Any] = next(item for item in story.final["messages"] if item["kind"] == "waitlist-offer")
    found |= values
    if found["status"] != "sent":
        mails = story.final["mails"]
        story.final["mails"] = [mail for mail in mails if mail["message_id"] != found["id"]]
    return found


def place(story: Story) -> dict[str, Any]:
    found: dict[str, Any] = story.final["booking"]["places"][0]
    return found
