"""How clients of a chaos run choose what they want, ask for it and write down what they were answered.

Used by clients.py, recurring.py and waiting.py. An answer of 4xx is a refusal. Whatever else is no 2xx, and
whatever breaks, leaves the outcome unknown.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

from chaos.history import History
from chaos.town import Shop
from contracts.business import ServiceChanged
from servicekit.testing.tokens import TokenMinter

_TIMEOUT = aiohttp.ClientTimeout(total=12)
_AGAIN = 0.2
"""Seconds until somebody who got no answer asks again."""
_HOT = 0.6
"""So much of what is wished for is among a few starts that all want."""


@dataclass
class Known:
    """An appointment that was acknowledged, or a hold, a series or a place on the waitlist that was."""

    shop: Shop
    service: ServiceChanged
    id: str
    token: str = ""
    starts_at: str = ""
    staff_id: str = ""
    email: str = ""
    """Whose place on the waitlist it is."""


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
    series: list[Known] = field(default_factory=list)
    """With the start from which on somebody may cancel the rest."""
    places: list[Known] = field(default_factory=list)
    """On the waitlist, as far as anybody knows."""


class Requester:
    """Somebody who asks; `chance` decides for what."""

    def __init__(
        self,
        town: Town,
        history: History,
        minter: TokenMinter,
        chance: random.Random,
        http: aiohttp.ClientSession,
    ) -> None:
        self.town, self.history, self.minter = town, history, minter
        self.chance, self.http = chance, http

    def slot(self) -> tuple[Shop, ServiceChanged, str, str | None]:
        """A business, a service of it, a start, and perhaps somebody."""
        chance, town = self.chance, self.town
        shop = chance.choice(town.shops)
        service = chance.choice(shop.services)
        hot = town.starts[: max(2, len(town.starts) // 8)]
        start = chance.choice(hot if chance.random() < _HOT else town.starts)
        staff_id = str(chance.choice(shop.staff).staff_id) if chance.random() < 0.7 else None
        return shop, service, start.isoformat(), staff_id

    def somebody(self) -> dict[str, Any]:
        """A customer's address, unique in the run, and what they agree to."""
        return {
            "email": f"{self.chance.getrandbits(64):016x}@customer.example",
            "consent": self.chance.random() < 0.4,
            "phone": f"+49{self.chance.randrange(10**9, 10**10)}" if self.chance.random() < 0.2 else None,
        }

    async def send(
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
        history = self.history
        headers = (headers or {}) | (self.minter.headers(shop.id) if as_owner else {})
        url = (at or self.chance.choice(self.town.urls)) + path
        number = history.invoke(kind, str(shop.id), args)
        try:
            async with self.http.request(
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


def appointment(answer: dict[str, Any]) -> dict[str, Any]:
    """What the history has of an answer about an appointment."""
    staff = answer.get("staff_ids") or [item["id"] for item in (*answer["staff"], *answer["resources"])]
    kept = {name: answer[name] for name in ("id", "version", "status", "starts_at", "ends_at")}
    return kept | {"staff_ids": staff}


def person(somebody: dict[str, Any]) -> dict[str, Any]:
    """As a request has them."""
    return {
        "customer": {"name": "Bea", "email": somebody["email"], "phone": somebody["phone"]},
        "consent": {"email": somebody["consent"], "sms": somebody["phone"] is not None},
    }
