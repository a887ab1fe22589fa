"""Concurrent clients of a town's businesses: they book, hold, move, cancel, and write down what they were answered.

A booking that nobody answered is sometimes sent again, under its Idempotency-Key. What they do about series and the
waitlist stands in recurring.py and waiting.py.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from chaos import owners, recurring, waiting
from chaos.asking import Known, Requester, Town, appointment, person
from chaos.history import History
from chaos.town import STEP
from servicekit.http.once import once
from servicekit.testing.tokens import TokenMinter

EVERYTHING = {
    "book": 30,
    "hold": 12,
    "use": 10,
    "give-back": 4,
    "reschedule": 14,
    "cancel": 12,
    "confirm": 6,
    "read": 4,
    "list": 3,
    "peek": 2,
    "availability": 2,
}
"""What clients do, by how often."""
AFTERWARDS = {"complete": 4, "no-show": 3, "cancel": 2, "confirm": 2, "reschedule": 1, "list": 1}
"""When the appointments have begun."""
CHANGING = {"hold": 10, "use": 8, "book": 4, "reschedule": 2, "cancel": 6, "change-service": 6}
"""When a business changes what is held."""
BOOKINGS = {"book": 1}
"""And nothing of it is changed: what customers are told stays true."""
_OF_A_SERIES: dict[str, Callable[[Requester], Awaitable[None]]] = {
    "book-series": recurring.book_series,
    "cancel-series": recurring.cancel_series,
}
_OF_THE_WAITLIST: dict[str, Callable[[Requester], Awaitable[None]]] = {
    "join": waiting.join,
    "look": waiting.look,
    "accept": waiting.accept,
    "leave": waiting.leave,
    "offer": waiting.offer,
}


def with_policies(weights: Mapping[str, float], operations: int, changes: int) -> dict[str, float]:
    """So that of so many operations about so many change a reminder policy, of a short run one in twenty."""
    share = min(0.05, changes / operations)
    return {**weights, owners.POLICY: sum(weights.values()) * share / (1 - share)}


class Client(Requester):
    """One of them; `chance` decides what it does."""

    async def run(self, weights: Mapping[str, float], enough: Callable[[], bool]) -> None:
        """One operation after the other."""
        kinds, counts = list(weights), list(weights.values())
        while not enough():
            (kind,) = self.chance.choices(kinds, counts)
            await self._do(kind)

    async def _do(self, kind: str) -> None:
        town = self.town
        if kind == "use" and town.holds:
            await self._book(town.holds.pop(self.chance.randrange(len(town.holds))))
        elif kind == "hold":
            await self._hold()
        elif kind == "give-back" and town.holds:
            await self._give_back(self.chance.choice(town.holds))
        elif kind == owners.POLICY or kind in owners.CHANGES:
            await self._change_catalog(kind)
        elif kind in {"list", "availability"}:
            await (self._list() if kind == "list" else self._availability())
        elif kind in _OF_A_SERIES:
            await _OF_A_SERIES[kind if town.series else "book-series"](self)
        elif kind in _OF_THE_WAITLIST:
            await _OF_THE_WAITLIST[kind if town.places else "join"](self)
        elif kind in {"book", "use", "give-back"} or not town.appointments:
            await self._book(None)
        else:
            await self._change(kind, self.chance.choice(town.appointments))

    async def _book(self, held: Known | None) -> None:
        chance = self.chance
        shop, service, starts_at, staff_id = self.slot()
        if held is not None:
            shop, service, starts_at, staff_id = held.shop, held.service, held.starts_at, held.staff_id
        by_staff = held is None and chance.random() < 0.2
        somebody = self.somebody()
        args = somebody | {
            "service_id": str(service.service_id),
            "starts_at": starts_at,
            "staff_id": staff_id,
            "hold_id": held.id if held else None,
        }
        body = {"service_id": args["service_id"], "starts_at": starts_at} | person(somebody)
        body |= {"staff_id": staff_id} if staff_id else {}
        body |= {"hold_id": held.id} if held else {}
        path = "/v1/appointments" if by_staff else f"/v1/public/{shop.tenant.slug}/appointments"
        headers = {"Idempotency-Key": str(args["email"])}
        for _ in range(3 if chance.random() < 0.7 else 1):
            outcome, answer = await self.send(
                "book", shop, args, "POST", path, body, headers, as_owner=by_staff, keep=appointment
            )
            if outcome == "ok":
                known = Known(shop, service, answer["id"], answer["token"])
                self.town.appointments.append(known)
            if outcome != "unknown":
                break
            await asyncio.sleep(chance.random() * 0.5)

    async def _hold(self) -> None:
        shop, service, starts_at, staff_id = self.slot()
        body = {"service_id": str(service.service_id), "starts_at": starts_at}
        body |= {"staff_id": staff_id} if staff_id else {}
        path = f"/v1/public/{shop.tenant.slug}/holds"
        outcome, answer = await self.send("hold", shop, dict(body), "POST", path, body, keep=_hold)
        if outcome == "ok":
            held = Known(shop, service, answer["id"], "", answer["starts_at"], answer["staff_id"])
            self.town.holds.append(held)

    async def _give_back(self, held: Known) -> None:
        """Mostly it stays known: somebody books by it at the same moment, or later in vain."""
        if self.chance.random() < 0.3:
            self.town.holds.remove(held)
        path = f"/v1/public/{held.shop.tenant.slug}/holds/{held.id}"
        args = {"hold_id": held.id}
        await self.send("give-back", held.shop, args, "DELETE", path, keep=lambda _: [])

    async def _change(self, kind: str, known: Known) -> None:
        chance, path = self.chance, f"/v1/appointments/{known.id}"
        args: dict[str, Any] = {"id": known.id}
        if kind == "peek":
            other = chance.choice([shop for shop in self.town.shops if shop is not known.shop])
            await self.send("peek", other, args, "GET", path, as_owner=True, keep=appointment)
            return
        by_link = kind in {"reschedule", "cancel", "read"} and known.token and chance.random() < 0.6
        link = f"/v1/public/appointments/{known.token}"
        method, body, headers = "POST", None, {}
        if kind == "reschedule":
            start = chance.choice(self.town.starts)
            args["starts_at"] = start.isoformat()
            body = {"starts_at": args["starts_at"]}
            if chance.random() < 0.5:
                args["staff_id"] = body["staff_id"] = str(chance.choice(known.shop.staff).staff_id)
            method, headers = "PATCH", {} if by_link else {"If-Match": "*"}
        elif kind == "read":
            method = "GET"
        elif by_link:
            method = "DELETE"
        else:
            path = f"{path}/{kind}"
        await self.send(
            kind,
            known.shop,
            args,
            method,
            link if by_link else path,
            body,
            headers,
            as_owner=not by_link,
            keep=appointment,
        )
        if kind in {"cancel", "complete", "no-show"} and chance.random() < 0.9:
            self._forget(known)

    def _forget(self, known: Known) -> None:
        if known in self.town.appointments:
            self.town.appointments.remove(known)

    async def _change_catalog(self, kind: str) -> None:
        shop = self.chance.choice(self.town.shops)
        change = owners.change(kind, shop, self.chance, self.town.starts)
        await self.send(
            kind,
            shop,
            change.args,
            change.method,
            change.path,
            change.body,
            {} if kind == "change-day" else {"If-Match": "*"},
            as_owner=True,
            keep=change.keep,
            at=self.town.business,
        )

    async def _list(self) -> None:
        shop = self.chance.choice(self.town.shops)
        begin = self.chance.choice(self.town.starts)
        query = {"from": begin.isoformat(), "to": (begin + 8 * STEP).isoformat(), "limit": "50"}

        def keep(answer: Any) -> Any:
            return [{"id": item["id"], "version": item["version"]} for item in answer["items"]]

        await self.send("list", shop, {}, "GET", "/v1/appointments", query=query, as_owner=True, keep=keep)

    async def _availability(self) -> None:
        shop, service, starts_at, _ = self.slot()
        day = starts_at[:10]
        query = {"service": str(service.service_id), "from": day, "to": day}
        path = f"/v1/public/{shop.tenant.slug}/availability"
        await self.send("availability", shop, {}, "GET", path, query=query, keep=lambda _: [])


def _hold(answer: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "service_id", "staff_id", "starts_at", "ends_at", "expires_at")
    return {name: answer[name] for name in names}


async def busy(
    town: Town,
    history: History,
    minter: TokenMinter,
    seed: str,
    enough: Callable[[], bool],
    *,
    clients: int = 24,
    weights: Mapping[str, float] = EVERYTHING,
) -> None:
    """So many clients, until it is enough."""
    # What is recorded as one request must be one: aiohttp would send a change again by itself.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, middlewares=(once,)) as http:
        await asyncio.gather(
            *(
                Client(town, history, minter, random.Random(f"{seed}/{n}"), http).run(weights, enough)  # noqa: S311
                for n in range(clients)
            )
        )


async def cleared(town: Town, history: History, minter: TokenMinter) -> None:
    """The businesses remove everybody from their waitlists, until nobody is in line: then nothing is offered more.

    What is under way when they look is looked at again.
    """
    async with aiohttp.ClientSession(middlewares=(once,)) as http:
        owner = Requester(town, history, minter, random.Random(0), http)  # noqa: S311
        async with asyncio.timeout(120):
            while await waiting.clear(owner):
                pass
    town.places.clear()


def starts_from(first: datetime, count: int) -> list[datetime]:
    """So many starts, a quarter of an hour apart."""
    return [first + n * timedelta(minutes=15) for n in range(count)]
