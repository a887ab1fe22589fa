"""The rest of a series is cancelled while something else befalls it: neither misses the other.

Each time the cancellation waits for an appointment that the test has locked, in the middle of what it does.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg

from integration.booking.world import Shop, World, tomorrow_noon, waiting, wish
from support.events import until

ANY = {"If-Match": "*"}


def series(world: World, shop: Shop) -> dict[str, Any]:
    """Four days in a row; ids rise with the starts, and by id they are locked."""
    body = wish(shop, tomorrow_noon(), rule={"every": "day", "count": 4})
    answer = world.call("POST", "/v1/series", shop, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert [item["id"] for item in made["appointments"]] == sorted(
        item["id"] for item in made["appointments"]
    )
    return made


def move(world: World, shop: Shop, appointment_id: str, starts_at: datetime) -> None:
    path = f"/v1/appointments/{appointment_id}"
    moved = world.call("PATCH", path, shop, json={"starts_at": starts_at.isoformat()}, headers=ANY)
    assert moved.status_code == 200, moved.text


@contextmanager
def held_up(
    world: World, shop: Shop, made: dict[str, Any], begin: datetime, *, requests: int = 1
) -> Iterator[list[Future[httpx.Response]]]:
    """Cancellations of the rest from `begin` on, which wait for the third appointment while the block runs."""
    path = f"/v1/series/{made['id']}/cancel"
    with ThreadPoolExecutor(requests) as threads, psycopg.connect(world.database.admin_url) as conn:
        third = made["appointments"][2]["id"]
        conn.execute("SELECT FROM appointment WHERE appointment_id = %s FOR UPDATE", (third,))
        asked = [
            threads.submit(world.call, "POST", path, shop, json={"from": begin.isoformat()})
            for _ in range(requests)
        ]
        until(lambda: waiting(world, "") == requests, "the cancellations wait")
        yield asked
        conn.rollback()


def cancelled_by(asked: Future[httpx.Response]) -> list[str]:
    answer = asked.result()
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["cancelled"]]


def states(world: World, shop: Shop) -> list[tuple[str, int]]:
    found = world.rows(
        "SELECT status, version FROM appointment WHERE tenant_id = %s ORDER BY appointment_id",
        shop.tenant.tenant_id,
    )
    return [(row["status"], row["version"]) for row in found]


async def test_what_is_moved_out_of_the_rest_meanwhile_stays(world: World) -> None:
    shop = await world.shop()
    made = series(world, shop)
    ids = [item["id"] for item in made["appointments"]]
    begin = tomorrow_noon() + timedelta(days=2)
    with held_up(world, shop, made, begin) as (asked,):
        move(world, shop, ids[3], begin - timedelta(hours=3))
    assert cancelled_by(asked) == [ids[2]]
    assert states(world, shop) == [("confirmed", 1), ("confirmed", 1), ("cancelled", 2), ("confirmed", 2)]


async def test_what_is_moved_into_the_rest_meanwhile_is_cancelled(world: World) -> None:
    shop = await world.shop()
    made = series(world, shop)
    ids = [item["id"] for item in made["appointments"]]
    begin = tomorrow_noon() + timedelta(days=2)
    move(world, shop, ids[3], begin - timedelta(hours=3))
    with held_up(world, shop, made, begin) as (asked,):
        move(world, shop, ids[3], begin + timedelta(hours=3))
    assert cancelled_by(asked) == ids[2:]
    assert states(world, shop) == [("confirmed", 1), ("confirmed", 1), ("cancelled", 2), ("cancelled", 4)]


async def test_of_two_who_cancel_the_rest_at_once_one_does(world: World) -> None:
    shop = await world.shop()
    made = series(world, shop)
    ids = [item["id"] for item in made["appointments"]]
    with held_up(world, shop, made, tomorrow_noon(), requests=2) as asked:
        pass
    assert sorted(cancelled_by(each) for each in asked) == [[], ids]
    assert states(world, shop) == [("cancelled", 2)] * 4
    told = world.rows(
        "SELECT 1 FROM outbox WHERE key LIKE %s AND headers->>'ce_type' = 'booking.appointment.cancelled.v1'",
        f"{shop.tenant.tenant_id}/%",
    )
    assert len(told) == 4
