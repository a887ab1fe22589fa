"""Concurrent clients of a town's businesses: they book, hold, move, cancel, and write down what they were answered.

An answer of 4xx is a refusal. Whatever else is no 2xx, and whatever breaks, leaves the outcome unknown: such a
booking is sometimes sent again, under its Idempotency-Key.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from chaos import owners
from chaos.history import History
from chaos.town import STEP, Shop
from contracts.business import ServiceChanged
from servicekit.testing.tokens import TokenMinter

_TIMEOUT = aiohttp.ClientTimeout(total=12)
_AGAIN = 0.2
"""Seconds until somebody who got no answer asks again."""
_HOT = 0.6
"""So much of what is wished for is among a few starts that all want."""
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


def with_policies(weights: Mapping[str, float], operations: int, changes: int) -> dict[str, float]:
    """So that of so many operations about so many change a reminder policy, of a short run one in twenty."""
    share = min(0.05, changes / operations)
    return {**weights, owners.POLICY: sum(weights.values()) * share / (1 - share)}


@dataclass
class Known:
    """An appointment that was acknowledged, or a hold that was."""

    shop: Shop
    service: ServiceChanged
    id: str
    token: str = ""
    starts_at: str = ""
    staff_id: str = ""


@dataclass
class Town:
    """What all clients share."""

    shops: Sequence[Shop]
    starts: Sequence[datetime]
    urls: Sequence[str]
    business: str = ""
    """The URL where what is offered can be changed."""
    appointments: list[Known] = field(default_factory=list)
    holds: list[Known] = field(default_factory=list)


class Client:
    """One of them; `chance` decides what it does."""

    def __init__(
        self,
        town: Town,
        history: History,
        minter: TokenMinter,
        chance: random.Random,
        http: aiohttp.ClientSession,
    ) -> None:
        self._town, self._history, self._minter = town, history, minter
        self._chance, self._http = chance, http

    async def run(self, weights: Mapping[str, float], enough: Callable[[], bool]) -> None:
        """One operation after the other."""
        kinds, counts = list(weights), list(weights.values())
        while not enough():
            (kind,) = self._chance.choices(kinds, counts)
            await self._do(kind)

    async def _do(self, kind: str) -> None:
        town = self._town
        if kind == "use" and town.holds:
            await self._book(town.holds.pop(self._chance.randrange(len(town.holds))))
        elif kind == "hold":
            await self._hold()
        elif kind == "give-back" and town.holds:
            await self._give_back(self._chance.choice(town.holds))
        elif kind == owners.POLICY or kind in owners.CHANGES:
            await self._change_catalog(kind)
        elif kind in {"list", "availability"}:
            await (self._list() if kind == "list" else self._availability())
        elif kind in {"book", "use", "give-back"} or not town.appointments:
            await self._book(None)
        else:
            await self._change(kind, self._chance.choice(town.appointments))

    def _slot(self) -> tuple[Shop, ServiceChanged, str, str | None]:
        """A business, a service of it, a start, and perhaps somebody."""
        chance, town = self._chance, self._town
        shop = chance.choice(town.shops)
        service = chance.choice(shop.services)
        hot = town.starts[: max(2, len(town.starts) // 8)]
        start = chance.choice(hot if chance.random() < _HOT else town.starts)
        staff_id = str(chance.choice(shop.staff).staff_id) if chance.random() < 0.7 else None
        return shop, service, start.isoformat(), staff_id

    async def _book(self, held: Known | None) -> None:
        chance = self._chance
        shop, service, starts_at, staff_id = self._slot()
        if held is not None:
            shop, service, starts_at, staff_id = held.shop, held.service, held.starts_at, held.staff_id
        by_staff = held is None and chance.random() < 0.2
        args = {
            "email": f"{chance.getrandbits(64):016x}@customer.example",
            "service_id": str(service.service_id),
            "starts_at": starts_at,
            "staff_id": staff_id,
            "hold_id": held.id if held else None,
            "consent": chance.random() < 0.4,
            "phone": f"+49{chance.randrange(10**9, 10**10)}" if chance.random() < 0.2 else None,
        }
        body = {
            "service_id": args["service_id"],
            "starts_at": starts_at,
            "customer": {"name": "Bea", "email": args["email"], "phone": args["phone"]},
            "consent": {"email": args["consent"], "sms": args["phone"] is not None},
        }
        body |= {"staff_id": staff_id} if staff_id else {}
        body |= {"hold_id": held.id} if held else {}
        path = "/v1/appointments" if by_staff else f"/v1/public/{shop.tenant.slug}/appointments"
        headers = {"Idempotency-Key": str(args["email"])}
        for _ in range(3 if chance.random() < 0.7 else 1):
            outcome, answer = await self._send(
                "book", shop, args, "POST", path, body, headers, as_owner=by_staff, keep=_appointment
            )
            if outcome == "ok":
                known = Known(shop, service, answer["id"], answer["token"])
                self._town.appointments.append(known)
            if outcome != "unknown":
                break
            await asyncio.sleep(chance.random() * 0.5)

    async def _hold(self) -> None:
        shop, service, starts_at, staff_id = self._slot()
        body = {"service_id": str(service.service_id), "starts_at": starts_at}
        body |= {"staff_id": staff_id} if staff_id else {}
        path = f"/v1/public/{shop.tenant.slug}/holds"
        outcome, answer = await self._send("hold", shop, dict(body), "POST", path, body, keep=_hold)
        if outcome == "ok":
            held = Known(shop, service, answer["id"], "", answer["starts_at"], answer["staff_id"])
            self._town.holds.append(held)

    async def _give_back(self, held: Known) -> None:
        """Mostly it stays known: somebody books by it at the same moment, or later in vain."""
        if self._chance.random() < 0.3:
            self._town.holds.remove(held)
        path = f"/v1/public/{held.shop.tenant.slug}/holds/{held.id}"
        args = {"hold_id": held.id}
        await self._send("give-back", held.shop, args, "DELETE", path, keep=lambda _: [])

    async def _change(self, kind: str, known: Known) -> None:
        chance, path = self._chance, f"/v1/appointments/{known.id}"
        args: dict[str, Any] = {"id": known.id}
        if kind == "peek":
            other = chance.choice([shop for shop in self._town.shops if shop is not known.shop])
            await self._send("peek", other, args, "GET", path, as_owner=True, keep=_appointment)
            return
        by_link = kind in {"reschedule", "cancel", "read"} and chance.random() < 0.6
        link = f"/v1/public/appointments/{known.token}"
        method, body, headers = "POST", None, {}
        if kind == "reschedule":
            start = chance.choice(self._town.starts)
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
        await self._send(
            kind,
            known.shop,
            args,
            method,
            link if by_link else path,
            body,
            headers,
            as_owner=not by_link,
            keep=_appointment,
        )
        if kind in {"cancel", "complete", "no-show"} and chance.random() < 0.9:
            self._forget(known)

    def _forget(self, known: Known) -> None:
        if known in self._town.appointments:
            self._town.appointments.remove(known)

    async def _change_catalog(self, kind: str) -> None:
        shop = self._chance.choice(self._town.shops)
        change = owners.change(kind, shop, self._chance, self._town.starts)
        await self._send(
            kind,
            shop,
            change.args,
            change.method,
            change.path,
            change.body,
            {} if kind == "change-day" else {"If-Match": "*"},
            as_owner=True,
            keep=change.keep,
            at=self._town.business,
        )

    async def _list(self) -> None:
        shop = self._chance.choice(self._town.shops)
        begin = self._chance.choice(self._town.starts)
        query = {"from": begin.isoformat(), "to": (begin + 8 * STEP).isoformat(), "limit": "50"}

        def keep(answer: Any) -> Any:
            return [{"id": item["id"], "version": item["version"]} for item in answer["items"]]

        await self._send("list", shop, {}, "GET", "/v1/appointments", query=query, as_owner=True, keep=keep)

    async def _availability(self) -> None:
        shop, service, starts_at, _ = self._slot()
        day = starts_at[:10]
        query = {"service": str(service.service_id), "from": day, "to": day}
        path = f"/v1/public/{shop.tenant.slug}/availability"
        await self._send("availability", shop, {}, "GET", path, query=query, keep=lambda _: [])

    async def _send(
        self,
        kind: str,
        shop: Shop,
        args: dict[str, Any],
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        keep: Callable[[Any], Any],
        query: dict[str, str] | None = None,
        as_owner: bool = False,
        at: str = "",
    ) -> tuple[str, Any]:
        """Sends it, to booking or `at` another URL, and writes down what came of it.

        Answers (outcome, the answer).
        """
        history = self._history
        headers = (headers or {}) | (self._minter.headers(shop.id) if as_owner else {})
        url = (at or self._chance.choice(self._town.urls)) + path
        number = history.invoke(kind, str(shop.id), args)
        try:
            async with self._http.request(
                method, url, json=body, params=query, headers=headers, timeout=_TIMEOUT
            ) as response:
                answer, status = await response.json(content_type=None), response.status
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            history.outcome(number, "unknown", problem=type(error).__name__)
            await asyncio.sleep(_AGAIN)
            return "unknown", None
        if status < 300:
            history.outcome(number, "ok", status=status, answer=keep(answer))
            return "ok", answer
        problem = str(answer.get("type", "")).rpartition("/")[2]
        outcome = "refused" if status < 500 else "unknown"
        history.outcome(number, outcome, status=status, problem=problem)
        if outcome == "unknown":
            await asyncio.sleep(_AGAIN)
        return outcome, None


def _appointment(answer: dict[str, Any]) -> dict[str, Any]:
    staff = answer.get("staff_ids") or [item["id"] for item in (*answer["staff"], *answer["resources"])]
    kept = {name: answer[name] for name in ("id", "version", "status", "starts_at", "ends_at")}
    return kept | {"staff_ids": staff}


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
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        await asyncio.gather(
            *(
                Client(town, history, minter, random.Random(f"{seed}/{n}"), http).run(weights, enough)  # noqa: S311
                for n in range(clients)
            )
        )


def starts_from(first: datetime, count: int) -> list[datetime]:
    """So many starts, a quarter of an hour apart."""
    return [first + n * timedelta(minutes=15) for n in range(count)]
