"""No route takes what it should not: each is sent every wrong request that its description gives rise to.

The routes are those of the merged document, so a new one is tried from its first day, and fails here until
good_requests knows a good request of it.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from gateway.routing import route
from integration.gateway.bad_input import Bad, Good, wrong_requests
from integration.gateway.good_requests import goods
from integration.gateway.platform import Platform
from integration.gateway.sites import Site
from support.broker import Broker
from support.events import until
from support.groups import ends, places, read_to

METHODS = ("get", "put", "post", "delete", "patch")
_COUNTED = {"attempt"}
"""Tables that a refused request may change: failed tries are counted, which is what they are for."""


@pytest.fixture(scope="module")
def site(platform: Platform) -> Site:
    return Site.open(platform)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


@pytest.mark.slow
def test_every_wrong_request_to_every_route_is_refused_and_leaves_nothing(
    site: Site, broker: Broker, service_databases: dict[str, psycopg.Connection]
) -> None:
    """Slow: each fault of each field is a request, through the gateway to the real services."""
    platform = site.platform
    document = platform.call("GET", "/openapi.json").json()
    assert "x-missing-services" not in document
    good_ones = goods(site)
    routes = list(operations(document))
    assert {(method, path) for method, path, _operation in routes} == good_ones.keys()
    until(lambda: settled(platform, broker), "all that was begun is done", seconds=180)

    faults: list[str] = []
    before = contents(service_databases)
    for method, path, operation in routes:
        good = good_ones[method, path]
        wrong = list(wrong_requests(document, method, operation, good))
        unknown = [other for other in METHODS if other not in document["paths"][path]]
        assert wrong
        for other in unknown:
            answer = send(platform, platform.url, other.upper(), path, replace(good, body=None))
            fault = unlike_a_refusal(answer, Bad("no such method", good, (401, 404, 405, 422, 428)))
            faults += [f"{other} {path}: {fault}: {answer.text[:300]}"] if fault else []
        for bad in wrong:
            for answer in answers(platform, method, path, bad):
                fault = unlike_a_refusal(answer, bad)
                if fault:
                    faults.append(f"{method} {path}, {bad.what}: {fault}: {answer.text[:300]}")
        after = contents(service_databases)
        faults += [f"{method} {path} changed {name}" for name in after if after[name] != before[name]]
        before = after
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults)

    # Each was refused for its fault, then: the same request without one is granted.
    for (method, path), good in good_ones.items():
        answer = send(platform, platform.url, method, path, good)
        assert answer.status_code in good.granted, f"{method} {path}: {answer.text}"


def answers(platform: Platform, method: str, path: str, bad: Bad) -> Iterator[httpx.Response]:
    """The gateway's answer; and the service's own where the gateway would not let the request reach it."""
    yield send(platform, platform.url, method, path, bad.good, bad.content, chunked=bad.chunked)
    if bad.what.startswith(("control characters", "a body over")):
        routed = route(method, path)
        assert routed is not None
        direct = platform.direct[routed.rule.upstream]
        yield send(platform, direct, method, path, bad.good, bad.content, chunked=bad.chunked)


def send(
    platform: Platform,
    base: str,
    method: str,
    path: str,
    good: Good,
    content: bytes | None = None,
    *,
    chunked: bool = False,
) -> httpx.Response:
    """The request as it is described, from an address of its own."""
    for name, value in good.path_values.items():
        path = path.replace(f"{{{name}}}", value)
    if content is None:
        raw = good.body if isinstance(good.body, str) else json.dumps(good.body)
        content = b"" if good.body is None else raw.encode()
    headers = {"X-Forwarded-For": f"198.51.{secrets.randbelow(250)}.{secrets.randbelow(250)}"}
    headers |= {"Content-Type": "application/json"} if content else {}
    headers |= good.headers | (good.person.headers if good.person else {})
    headers |= good.sign(content) if good.sign else {}
    body: Any = iter([content[:1000], content[1000:]]) if chunked else content
    return platform.http.request(method, f"{base}{path}", params=good.query, headers=headers, content=body)


def unlike_a_refusal(answer: httpx.Response, bad: Bad) -> str | None:
    """What is wrong with the answer; None for a whole problem that names the field and nothing else.

    Where nothing is to be told, the answer is empty; that nothing has changed is looked at all the same.
    """
    if bad.lists and answer.status_code == 200:
        return None if answer.json()["items"] == [] else "the filter lets through what it should not"
    if answer.status_code not in bad.statuses:
        return f"{answer.status_code} instead of {bad.statuses}"
    if answer.status_code == 204:
        return "tells something" if answer.content else None
    if answer.headers["Content-Type"] != "application/problem+json":
        return f"is {answer.headers['Content-Type']}"
    problem = answer.json()
    whole = (
        problem["type"].startswith("/problems/")
        and problem["title"]
        and problem["detail"]
        and problem["instance"]
        and problem["status"] == answer.status_code
        and problem["request_id"] == answer.headers["X-Request-ID"]
    )
    named = {error["pointer"] for error in problem.get("errors", ())}
    # What does not exist is named by the path.
    right = bad.pointer is None or answer.status_code == 404 or named == {bad.pointer}
    return None if whole and right else f"names {sorted(named)} instead of {bad.pointer}"


# what is in the databases


@pytest.fixture(scope="module")
def service_databases(platform: Platform) -> Iterator[dict[str, psycopg.Connection]]:
    """One connection to each service's database, as they are looked into after every route."""
    with ExitStack() as stack:
        yield {
            service: stack.enter_context(psycopg.connect(url, autocommit=True))
            for service, url in platform.admin_urls.items()
        }


def contents(databases: Mapping[str, psycopg.Connection]) -> dict[str, tuple[int, str]]:
    """Of each table of each service the number of rows and a digest of them; of the outbox, all there ever were."""
    found: dict[str, tuple[int, str]] = {}
    for service, conn in databases.items():
        names = conn.execute(
            b"SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        parts = [
            f"SELECT '{name}', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
            f" FROM {name} t"
            for (name,) in names
            if name not in _COUNTED
        ]
        parts.append("SELECT 'events', coalesce(last_value, 0), '' FROM pg_sequences")
        rows = conn.execute(" UNION ALL ".join(parts).encode()).fetchall()
        found |= {f"{service}.{name}": (count, digest) for name, count, digest in rows}
    return found


def settled(platform: Platform, broker: Broker) -> bool:
    """Whether nothing is on its way from one service to another, or from a table to a mailbox."""
    return all((_idle(platform), _caught_up(platform, broker), _idle(platform), _caught_up(platform, broker)))


def _idle(platform: Platform) -> bool:
    waiting = {
        "auth": ["SELECT 1 FROM mail"],
        "booking": [
            "SELECT 1 FROM busy_calendar WHERE last_fetch_at IS NULL",
            "SELECT 1 FROM waitlist_entry WHERE state = 'waiting' AND look_at <= now()",
            "SELECT 1 FROM freed_time",
        ],
        "notification": [
            f"SELECT 1 FROM {table} WHERE status IN ('queued', 'sending')"
            for table in ("message", "webhook_delivery")
        ],
    }
    for service, url in platform.admin_urls.items():
        with psycopg.connect(url) as conn:
            for statement in (
                "SELECT 1 FROM outbox",
                "SELECT 1 FROM usage WHERE unreported",
                *waiting.get(service, ()),
            ):
                if conn.execute(f"{statement} LIMIT 1".encode()).fetchone():
                    return False
    return True


def _caught_up(platform: Platform, broker: Broker) -> bool:
    """Every group of the services has read its topics to their ends."""
    admin = AdminClient(dict(broker.super_user()))
    end = ends(admin, places())
    return all(
        offset >= end[place]
        for group in groups_of(platform)
        for place, offset in read_to(admin, group).items()
    )


def groups_of(platform: Platform) -> list[str]:
    """The services' consumer groups; auth's has a prefix of this test run's own."""
    return [
        f"{platform.auth.group_prefix}auth.tenants",
        *(f"{name}.tenants" for name in platform.admin_urls if name != "auth"),
        "booking.catalog",
        "billing.usage",
        "analytics.figures",
        "notification.messages",
        "notification.customers",
        "notification.catalog",
        "notification.webhooks",
    ]
