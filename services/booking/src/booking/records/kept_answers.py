"""Answers that are kept for a day under their Idempotency-Key, once a person whom they name is erased.

Called by the erasure, in its transaction. The answers themselves stay: without one, a repeat would be a new wish.
"""

from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json, to_jsonable_python

from booking.domain import Customer
from booking.records import store as records
from servicekit.db import Connection
from servicekit.queries import values_of


async def erase_from(conn: Connection, tenant_id: UUID, erased: Customer) -> None:
    """Puts the erased customer, who is locked, in the place of who it was, in every answer of the business's."""
    person = to_jsonable_python(values_of(erased))
    for route, key, body in await records.answers_about(conn, tenant_id, erased.customer_id):
        answer = to_json(_without(from_json(body), person))
        await records.replace_answer(conn, tenant_id, route, key, answer)


def _without(told: Any, person: dict[str, Any]) -> Any:
    """A customer keeps its fields with what `person` has in them; what is theirs loses its notes and answers."""
    if isinstance(told, list):
        return [_without(item, person) for item in told]
    if not isinstance(told, dict):
        return told
    if told.get("id") == person["customer_id"]:
        return {name: person.get(name, value) for name, value in told.items()}
    empty = {"notes": "", "answers": []} if _is_of(told, person) else {}
    return {name: empty.get(name, _without(value, person)) for name, value in told.items()}


def _is_of(told: dict[str, Any], person: dict[str, Any]) -> bool:
    customer = told.get("customer")
    return isinstance(customer, dict) and customer.get("id") == person["customer_id"]
