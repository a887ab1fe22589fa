"""What customers of a chaos run do on the waitlist, and businesses with it.

Called by clients.py. They join for times that all want, look at what they are offered, take it, leave, or let it
pass; a business offers a time by hand, and in the end clears its list. Accepting has no Idempotency-Key: repeated,
it answers the appointment as it stands, and so may be sent again whatever has become of that.
"""

import asyncio
from typing import Any

from chaos.asking import Known, Requester, appointment, person
from chaos.town import STEP

WAITLIST = {"join": 5, "look": 8, "accept": 3, "leave": 1, "offer": 2}
"""What they do, by how often, beside what clients.EVERYTHING has."""
_MOST_PLACES = 24
"""So many wait at once: of more, most would be offered nothing while a run goes on."""
_ENDED = frozenset({"booked", "left", "removed", "unanswered", "over"})


async def join(who: Requester) -> None:
    """For a start that others want, or some hours; sent again under its key where nobody answers."""
    chance, town = who.chance, who.town
    if len(town.places) >= _MOST_PLACES:
        await look(who)
        return
    shop, service, starts_at, staff_id = who.slot()
    start = next(item for item in town.starts if item.isoformat() == starts_at)
    staff_id = staff_id if chance.random() < 0.5 else None
    somebody = who.somebody() | {"consent": True}
    args = somebody | {"service_id": str(service.service_id), "staff_id": staff_id, "from": starts_at}
    args["to"] = (start + STEP * chance.choice((1, 2, 8))).isoformat()
    body = {name: args[name] for name in ("service_id", "from", "to")} | person(somebody)
    body |= {"staff_id": staff_id} if staff_id else {}
    path, headers = f"/v1/public/{shop.tenant.slug}/waitlist", {"Idempotency-Key": somebody["email"]}
    for _ in range(3 if chance.random() < 0.7 else 1):
        outcome, answer = await who.send("join", shop, args, "POST", path, body, headers, keep=_place)
        if outcome == "ok":
            place = Known(shop, service, answer["id"], answer["token"], starts_at, email=somebody["email"])
            town.places.append(place)
        if outcome != "unknown":
            break
        await asyncio.sleep(chance.random() * 0.5)


async def look(who: Requester) -> None:
    """At what there is; it is taken at once, or given up with the place, or nobody answers."""
    place = who.chance.choice(who.town.places)
    args = {"place_id": place.id}
    path = f"/v1/public/waitlist/{place.token}"
    outcome, answer = await who.send("look", place.shop, args, "GET", path, keep=_place)
    if outcome != "ok":
        return
    if answer["state"] in _ENDED:
        _forget(who, place)
    elif answer["offer"] is not None:
        does = who.chance.random()
        if does < 0.5:
            await _accept(who, place)
        elif does < 0.6:
            await _leave(who, place)


async def accept(who: Requester) -> None:
    """Whether there is an offer or not."""
    await _accept(who, who.chance.choice(who.town.places))


async def leave(who: Requester) -> None:
    await _leave(who, who.chance.choice(who.town.places))


async def offer(who: Requester) -> None:
    """By the business, out of turn: some start, perhaps with somebody."""
    chance = who.chance
    place = chance.choice(who.town.places)
    args: dict[str, Any] = {"place_id": place.id, "starts_at": chance.choice(who.town.starts).isoformat()}
    body = {"starts_at": args["starts_at"]}
    if chance.random() < 0.5:
        args["staff_id"] = body["staff_id"] = str(chance.choice(place.shop.staff).staff_id)
    path = f"/v1/waitlist/{place.id}/offer"
    await who.send("offer", place.shop, args, "POST", path, body, as_owner=True, keep=_place)


async def clear(who: Requester) -> int:
    """Removes all who are in line, at every business; answers how many there were."""
    found = 0
    for shop in who.town.shops:
        for state in ("waiting", "offered"):
            query = {"state": state, "limit": "100"}
            outcome, answer = await who.send(
                "list-places", shop, {}, "GET", "/v1/waitlist", query=query, as_owner=True, keep=lambda _: []
            )
            for item in answer["items"] if outcome == "ok" else ():
                found += 1
                args, path = {"place_id": item["id"]}, f"/v1/waitlist/{item['id']}"
                await who.send("remove", shop, args, "DELETE", path, as_owner=True, keep=lambda _: [])
            found += outcome != "ok"
    return found


async def _accept(who: Requester, place: Known) -> None:
    args = {"place_id": place.id, "email": place.email}
    path = f"/v1/public/waitlist/{place.token}/accept"
    for _ in range(3 if who.chance.random() < 0.7 else 1):
        outcome, answer = await who.send("accept", place.shop, args, "POST", path, keep=appointment)
        if outcome == "ok":
            booked = Known(place.shop, place.service, answer["id"], answer["token"])
            who.town.appointments.append(booked)
            if who.chance.random() < 0.8:
                _forget(who, place)
        if outcome != "unknown":
            break
        await asyncio.sleep(who.chance.random() * 0.5)


async def _leave(who: Requester, place: Known) -> None:
    path = f"/v1/public/waitlist/{place.token}"
    await who.send("leave", place.shop, {"place_id": place.id}, "DELETE", path, keep=_place)


def _forget(who: Requester, place: Known) -> None:
    if place in who.town.places:
        who.town.places.remove(place)


def _place(answer: dict[str, Any]) -> dict[str, Any]:
    offer, names = answer["offer"], ("starts_at", "ends_at", "staff_ids", "expires_at")
    told = {name: offer[name] for name in names} if offer else None
    return {"id": answer["id"], "state": answer["state"], "offer": told}
