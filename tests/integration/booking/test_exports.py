"""What a business takes along as CSV, over HTTP on a real Postgres."""

import asyncio
import csv
from contextlib import aclosing
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import httpx
import psycopg
import pytest
from starlette.types import Message

from booking.records.service import RecordService
from booking.routes.exports import Streamed
from contracts.business import Question
from integration.booking.records import booked
from integration.booking.world import Shop, World, tomorrow_noon
from servicekit.errors import Unavailable
from servicekit.ids import new_id
from support.events import until
from support.tenants import new_tenant

ODD = "=HYPERLINK(1)"


def lines_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    text = answer.content.decode()
    assert text.count("\n") == text.count("\r\n")
    return list(csv.DictReader(StringIO(text, newline=""), strict=True))


async def test_appointments_are_exported_with_the_businesss_times(world: World) -> None:
    shop = await world.shop(tenant=new_tenant(timezone="Asia/Kathmandu"))
    noon = tomorrow_noon()
    made = booked(
        world, shop, customer={"name": ODD, "email": "bea@customer.example", "phone": "+351912345678"}
    )
    span = {"from": (noon - timedelta(hours=1)).isoformat(), "to": (noon + timedelta(hours=1)).isoformat()}
    (line,) = lines_of(world.call("GET", "/v1/appointments/export.csv", shop, params=span))
    assert datetime.fromisoformat(line["starts_at"]) == noon
    assert line["starts_at"].endswith("+05:45")
    assert (line["service"], line["staff"], line["status"]) == ("Cut", "Ada", "confirmed")
    assert (line["customer"], line["phone"]) == (f"'{ODD}", "'+351912345678")
    assert line["cancelled_by"] == ""
    assert world.call("POST", f"/v1/appointments/{made['id']}/cancel", shop).json()["cancelled_by"] == "staff"
    (line,) = lines_of(world.call("GET", "/v1/appointments/export.csv", shop, params=span))
    assert (line["status"], line["cancelled_by"]) == ("cancelled", "staff")
    earlier = {"from": "2026-01-01T00:00:00Z", "to": noon.isoformat()}
    assert lines_of(world.call("GET", "/v1/appointments/export.csv", shop, params=earlier)) == []


async def test_what_was_answered_is_exported_with_its_question(world: World) -> None:
    dog, rules = new_id(), new_id()
    asked = [
        Question(question_id=dog, label="=Which dog?", kind="text", required=True),
        Question(question_id=rules, label="I know the rules", kind="checkbox", required=True),
    ]
    shop = await world.shop(capacity=2, questions=asked)
    told = [{"question_id": str(dog), "answer": "Rex"}, {"question_id": str(rules), "answer": True}]
    booked(world, shop, answers=told)
    span = {"from": "2026-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}
    (line,) = lines_of(world.call("GET", "/v1/appointments/export.csv", shop, params=span))
    assert line["answers"] == "'=Which dog?: Rex; I know the rules: true"


async def test_customers_are_exported(world: World) -> None:
    shop = await world.shop()
    customer = booked(world, shop, customer={"name": 'B, "e"\ta', "email": "b@customer.example"})["customer"]
    (line,) = lines_of(world.call("GET", "/v1/customers/export.csv", shop))
    assert (line["id"], line["name"], line["consent_email"]) == (customer["id"], 'B, "e"\ta', "true")


async def test_only_the_owner_takes_everything_along(world: World) -> None:
    ours, theirs = await world.shop(), await world.shop()
    booked(world, theirs)
    span = {"from": "2026-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}
    for path, query in (("/v1/appointments/export.csv", span), ("/v1/customers/export.csv", {})):
        assert lines_of(world.call("GET", path, ours, params=query)) == []
        assert world.call("GET", path, theirs, role="staff", params=query).status_code == 403
        assert world.call("GET", path, params=query).status_code == 401
    unknown = Shop(new_tenant(), [], new_id())
    answer = world.call("GET", "/v1/customers/export.csv", unknown)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    backwards = {"from": span["to"], "to": span["from"]}
    answer = world.call("GET", "/v1/appointments/export.csv", ours, params=backwards)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?to"]


async def test_who_reads_slowly_keeps_nobody_waiting_for_long(world: World) -> None:
    """Of a business one export at a time is written, of all two; whoever comes then is told to come again."""
    one, two, three = [await world.shop() for _ in range(3)]
    async with world.opened() as db, asyncio.timeout(30):
        records = RecordService(db, export_wait=0.1)

        async def refused(shop: Shop) -> bool:
            async with aclosing(records.export_customers(shop.tenant.tenant_id)) as parts:
                try:
                    return not await anext(parts)
                except Unavailable as error:
                    return error.headers == {"Retry-After": "30"}

        async with aclosing(records.export_customers(one.tenant.tenant_id)) as first:
            assert await anext(first)
            assert await refused(one)
            assert not await refused(two)
            begin, end = tomorrow_noon(), tomorrow_noon() + timedelta(days=1)
            async with aclosing(records.export_appointments(two.tenant.tenant_id, begin, end)) as second:
                assert await anext(second)
                assert await refused(three)
            assert not await refused(three)
        assert not await refused(one)


@pytest.mark.parametrize("limits", [{"stalled": 0.1}, {"longest": 0.1}])
async def test_who_takes_nothing_gives_its_place_back(world: World, limits: dict[str, float]) -> None:
    """The connection stands, and nothing is read from it: the answer is cut, the transaction ended."""
    shop = await world.shop()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> Message:
        return await asyncio.Future()

    async with world.opened() as db:
        records = RecordService(db, export_wait=0.1)
        answer = Streamed(records.export_customers(shop.tenant.tenant_id), "customers.csv", **limits)
        scope: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.4"}}
        async with asyncio.timeout(30):
            await answer(scope, receive, send)
        assert sent
        assert all(message.get("more_body", True) for message in sent), "it has no end"
        async with aclosing(records.export_customers(shop.tenant.tenant_id)) as parts:
            assert await anext(parts)


@pytest.mark.slow
async def test_a_large_export_is_read_as_it_is_sent(world: World) -> None:
    """Its reader stops: the server waits in the middle of its cursor, and has not read on.

    Slow: it takes many rows to fill what lies between the two.
    """
    shop = await world.shop()
    tenant_id, count = shop.tenant.tenant_id, 25_000
    with psycopg.connect(world.database.admin_url) as conn:
        conn.execute(
            "INSERT INTO customer (tenant_id, customer_id, name, email, locale, consent_email, consent_sms, notes)"
            " SELECT %s, gen_random_uuid(), 'Customer ' || n, n || '@customer.example', 'en', true, false,"
            " repeat('x', 500) FROM generate_series(1, %s) AS n",
            (tenant_id, count),
        )
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        " AND query LIKE 'FETCH FORWARD%%' AND query_start < now() - interval '300 milliseconds'"
    )
    headers = world.minter.headers(tenant_id)
    with world.http.stream("GET", f"{world.url}/v1/customers/export.csv", headers=headers) as answer:
        until(lambda: world.rows(waiting), "the server waits for its reader")
        assert sum("@customer.example" in line for line in answer.iter_lines()) == count

    # Whoever goes away in the middle leaves no transaction behind.
    with world.http.stream("GET", f"{world.url}/v1/customers/export.csv", headers=headers):
        until(lambda: world.rows(waiting), "the server waits for its reader")
    until(lambda: not world.rows(waiting), "the transaction has ended")
