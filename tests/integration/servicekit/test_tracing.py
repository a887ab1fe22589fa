"""One trace from a request through the outbox and Kafka into another service, exported and in the logs.

business takes the request, booking consumes what it publishes: both as the processes they are.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from servicekit.ids import new_id
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.collector import Collector, Span, collector
from support.databases import Databases, ServiceDatabase
from support.events import Topics, until
from support.processes import run_service, served_keys
from support.tenants import new_tenant

_SERVER, _CLIENT, _PRODUCER, _CONSUMER = 2, 3, 4, 5


def environment(
    service: str, databases: Databases, broker: Broker, jwks_url: str, traces: Collector, minter: TokenMinter
) -> tuple[ServiceDatabase, dict[str, str]]:
    database = databases.for_service(service)
    return database, broker.service_env(service) | {
        "database_url": database.settings.database_url.get_secret_value(),
        "kafka_group_prefix": f"w{new_id().hex[-8:]}.",
        "jwks_url": jwks_url,
        "public_url": minter.issuer,
        "otlp_endpoint": traces.url,
    }


def logged(log: Path, trace_id: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("trace_id") == trace_id]


@pytest.mark.slow
def test_a_trace_goes_from_a_request_through_kafka_into_another_service(
    databases: Databases, broker: Broker, tmp_path: Path
) -> None:
    """Takes several seconds: two services start, and spans are exported in batches every five seconds."""
    trace_id, minter = new_id().hex, TokenMinter()
    with served_keys(minter) as jwks_url, collector() as traces:
        business_db, business_env = environment("business", databases, broker, jwks_url, traces, minter)
        booking_db, booking_env = environment("booking", databases, broker, jwks_url, traces, minter)
        with (
            run_service("business", "all", tmp_path, **business_env) as business,
            run_service("booking", "all", tmp_path, link_key="k" * 32, **booking_env),
        ):
            tenant = new_tenant()
            Topics(broker.super_user()).publish(tenant)
            for each in (business_db, booking_db):
                with psycopg.connect(each.admin_url, autocommit=True) as conn:
                    until(partial(known, conn, tenant.tenant_id), "the tenant is known")
            answer = httpx.post(
                f"{business.url}/v1/staff",
                json={"name": "Grace"},
                headers=minter.headers(tenant.tenant_id)
                | {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"},
            )
            assert answer.status_code == 201, answer.text

            def whole() -> list[Span] | None:
                spans = traces.of_trace(trace_id)
                return spans if {(one.service, one.kind) for one in spans} >= wanted else None

            wanted = {
                ("business", _SERVER),
                ("business", _CLIENT),
                ("business", _PRODUCER),
                ("booking", _CONSUMER),
                ("booking", _CLIENT),
            }
            spans = until(whole, f"spans of {wanted}")
            written = logged(business.log, trace_id)

    (request,) = [one for one in spans if one.kind == _SERVER]
    assert request.name == "POST /v1/staff"
    assert request.parent_id == "b7ad6b7169203331"
    assert request.attributes["http.response.status_code"] == 201
    sent = [one for one in spans if one.kind == _PRODUCER]
    assert {one.name for one in sent} == {"send business.catalog.v1"}
    assert {one.parent_id for one in sent} == {request.span_id}
    handled = [one for one in spans if one.kind == _CONSUMER]
    assert {one.name for one in handled} == {"process business.catalog.v1"}
    assert {one.parent_id for one in handled} == {request.span_id}
    within = {one.span_id for one in handled}
    assert any(
        "INSERT INTO inbox" in one.attributes["db.statement"] for one in spans if one.parent_id in within
    )
    assert [line["event"] for line in written] == ["request"]
    assert written[0]["tenant_id"] == str(tenant.tenant_id)

    # Loops look for work all day; probes come every few seconds. Neither makes a trace.
    names = {one.name for one in traces.spans if not one.parent_id}
    assert all(name.startswith(("process ", "GET /v1", "POST /v1")) for name in names), names


def known(conn: psycopg.Connection[Any], tenant_id: UUID) -> bool:
    return bool(conn.execute("SELECT 1 FROM tenants WHERE tenant_id = %s", (tenant_id,)).fetchall())
