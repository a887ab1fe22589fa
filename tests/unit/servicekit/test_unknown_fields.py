"""What a body is answered that has fields which are not known here. The app runs in the test."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from servicekit.health import Health
from servicekit.http.app import create_app
from servicekit.http.models import Body
from servicekit.http.routes import Router
from servicekit.settings import Settings

MANY = {f"f{number}": 0 for number in range(1000)}
ROUTER = Router()


class Item(Body):
    name: str


class Order(Body):
    items: list[Item]


@ROUTER.post("/v1/orders")
async def order(body: Order) -> dict[str, int]:
    return {"items": len(body.items)}


async def faults_of(body: Any) -> list[dict[str, str]]:
    app = create_app("shop", Settings(), Health(), routers=[ROUTER])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.post("/v1/orders", json=body)
    assert answer.status_code == 422, answer.text
    errors: list[dict[str, str]] = answer.json()["errors"]
    return errors


async def test_a_few_unknown_fields_are_named_each() -> None:
    told = await faults_of({"items": [], "a": 0, "b": 0})
    assert [error["pointer"] for error in told] == ["/a", "/b"]


async def test_very_many_unknown_fields_are_one_fault_of_what_has_them() -> None:
    words = "has 1001 fields, of which at most 1 are known here"
    assert await faults_of({"items": [], **MANY}) == [{"pointer": "/", "detail": words}]
    told = await faults_of({"items": [{"name": "tea"}, {"name": "milk", **MANY}]})
    assert told == [{"pointer": "/items/1", "detail": words}]


def test_pydantic_makes_no_fault_of_each_of_very_many_unknown_fields() -> None:
    with pytest.raises(ValidationError) as raised:
        Order.model_validate(MANY)
    assert raised.value.error_count() == 1
