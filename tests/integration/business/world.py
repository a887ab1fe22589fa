"""A business process on a real Postgres, provisioned businesses, and a client, for the tests beside this file.

What business publishes stays in its outbox, where tests look.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from business.consumers import BusinessHooks
from contracts.platform import TenantChanged
from servicekit.db import Database
from servicekit.testing.tokens import TokenMinter
from support.databases import ServiceDatabase
from support.tenants import know, new_tenant

TABLES = (
    "profile",
    "staff",
    "resource",
    "service",
    "service_staff",
    "reminder_rule",
    "usage",
    "idempotency",
    "outbox",
)


@dataclass
class World:
    url: str
    database: ServiceDatabase
    minter: TokenMinter
    http: httpx.Client

    async def tenant(self, **fields: Any) -> TenantChanged:
        """A new business, provisioned."""
        tenant = new_tenant(**fields)
        await self.provision(tenant)
        return tenant

    async def provision(self, tenant: TenantChanged) -> None:
        """Takes over a record as the tenants consumer does."""
        db = Database(self.database.settings, application="test")
        await db.open()
        try:
            await know(db, tenant)
            async with db.tenant(tenant.tenant_id) as conn:
                await BusinessHooks().provision(conn, tenant)
        finally:
            await db.close()

    def call(
        self,
        method: str,
        path: str,
        tenant: TenantChanged | None,
        body: Any = None,
        *,
        role: str = "owner",
        match: str | None = None,
        key: str | None = None,
        **sent: Any,
    ) -> httpx.Response:
        """A request as someone of the tenant, or as nobody; `match` is If-Match and `key` Idempotency-Key."""
        headers = self.minter.headers(tenant.tenant_id, role=role) if tenant else {}
        headers |= {"If-Match": match} if match else {}
        headers |= {"Idempotency-Key": key} if key else {}
        if body is not None:
            sent["json"] = body
        return self.http.request(method, f"{self.url}{path}", headers=headers, **sent)

    def made(self, path: str, tenant: TenantChanged, body: dict[str, Any]) -> dict[str, Any]:
        """What a creating POST answers."""
        answer = self.call("POST", path, tenant, body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def events(self, tenant: TenantChanged, kind: str) -> list[dict[str, Any]]:
        """The data of the tenant's events in the outbox whose type is business.<kind>.changed.v1, in order."""
        rows = self.rows(
            "SELECT payload FROM outbox WHERE topic = 'business.catalog.v1' AND key LIKE %s"
            " AND headers->>'ce_type' = %s ORDER BY id",
            f"{tenant.tenant_id}/%",
            f"business.{kind}.changed.v1",
        )
        return [json.loads(row["payload"]) for row in rows]

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Everything that is stored, to be compared before and after a request that must change nothing."""
        return {table: self.rows(f"SELECT t::text AS row FROM {table} t ORDER BY 1") for table in TABLES}

    def used(self, tenant: TenantChanged, metric: str) -> int:
        rows = self.rows(
            "SELECT used FROM usage WHERE tenant_id = %s AND metric = %s", tenant.tenant_id, metric
        )
        return int(rows[0]["used"]) if rows else 0

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows, past row level security."""
        return self.database.rows(statement, *values)


def refused(answer: httpx.Response, status: int, slug: str, *pointers: str) -> dict[str, Any]:
    """The problem that an answer is; with `pointers`, it names these fields and no others."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"/problems/{slug}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    if pointers:
        assert [error["pointer"] for error in problem["errors"]] == list(pointers), problem
    return problem


def cut(*staff_ids: UUID | str, **fields: Any) -> dict[str, Any]:
    """The body of a service."""
    return {
        "name": "Cut",
        "duration_minutes": 30,
        "price_amount": 2500,
        "staff_ids": [str(staff_id) for staff_id in staff_ids],
    } | fields
