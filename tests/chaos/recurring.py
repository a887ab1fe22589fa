"""What businesses of a chaos run do about recurring appointments: book them, and cancel what is left of them.

Called by clients.py. Each appointment of a series is moved and cancelled by itself as well, as any other is.
"""

import asyncio
from typing import Any

from chaos.asking import Known, Requester, appointment, person

SERIES = {"book-series": 5, "cancel-series": 2}
"""What they do about series, by how often, beside what clients.EVERYTHING has."""


async def book_series(who: Requester) -> None:
    """Some days or weeks on end, at a start that others want; sent again under its key where nobody answers."""
    chance = who.chance
    shop, service, starts_at, staff_id = who.slot()
    somebody = who.somebody()
    rule = {"every": chance.choice(("day", "week")), "interval": chance.choice((1, 1, 2))}
    rule |= {"count": chance.randint(2, 4)}
    args = somebody | {"service_id": str(service.service_id), "starts_at": starts_at, "staff_id": staff_id}
    args |= {"rule": rule, "skip": chance.random() < 0.5}
    body = {name: args[name] for name in ("service_id", "starts_at", "rule")} | person(somebody)
    body |= {"on_conflict": "skip" if args["skip"] else "refuse"}
    body |= {"staff_id": staff_id} if staff_id else {}
    headers = {"Idempotency-Key": somebody["email"]}
    for _ in range(3 if chance.random() < 0.7 else 1):
        outcome, answer = await who.send(
            "book-series", shop, args, "POST", "/v1/series", body, headers, as_owner=True, keep=_series
        )
        if outcome == "ok":
            made = [Known(shop, service, item["id"]) for item in answer["appointments"]]
            who.town.appointments += made
            second = answer["appointments"][min(1, len(made) - 1)]["starts_at"]
            who.town.series.append(Known(shop, service, answer["id"], starts_at=second))
        if outcome != "unknown":
            break
        await asyncio.sleep(chance.random() * 0.5)


async def cancel_series(who: Requester) -> None:
    """All of one that is still to come, or from its second appointment on."""
    chance, series = who.chance, who.town.series
    known = chance.choice(series)
    begin = known.starts_at if chance.random() < 0.3 else None
    body = {"from": begin} if begin else None
    path = f"/v1/series/{known.id}/cancel"
    args = {"series_id": known.id, "from": begin}
    outcome, _ = await who.send(
        "cancel-series", known.shop, args, "POST", path, body, as_owner=True, keep=_cancelled
    )
    if outcome == "ok" and begin is None and chance.random() < 0.8 and known in series:
        series.remove(known)


def _series(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": answer["id"],
        "zone": answer["timezone"],
        "appointments": [appointment(item) for item in answer["appointments"]],
        "skipped": [item["starts_at"] for item in answer["skipped"]],
    }


def _cancelled(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [appointment(item) for item in answer["cancelled"]]
