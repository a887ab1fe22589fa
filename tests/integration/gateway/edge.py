"""A gateway before a scripted upstream, and a client that says what it wants byte by byte where it has to."""

import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from contracts.platform import TenantChanged
from gateway.ratelimits import WINDOW_SECONDS
from integration.gateway.upstream import Upstream
from servicekit.testing.tokens import TokenMinter
from support.events import Topics, until
from support.tenants import new_tenant

ORIGIN = "https://dashboard.example"
"""The one other site whose pages may use tokens."""
_ROOM = 20
"""Seconds, of which a test's requests need a few where the machine is busy."""


@dataclass
class Edge:
    url: str
    log: Path
    upstream: Upstream
    minter: TokenMinter
    topics: Topics
    http: httpx.Client

    def call(
        self, method: str, path: str, tenant: TenantChanged | None = None, **sent: Any
    ) -> httpx.Response:
        """A request from an address of its own; with an owner's token when a tenant is named."""
        headers = {"X-Forwarded-For": f"198.51.{secrets.randbelow(256)}.{secrets.randbelow(256)}"}
        if tenant is not None:
            headers |= self.minter.headers(tenant.tenant_id)
        headers |= sent.pop("headers", {})
        return self.http.request(method, f"{self.url}{path}", headers=headers, **sent)

    def open_business(self, **fields: Any) -> TenantChanged:
        """A tenant that the gateway knows. Finding that out costs nothing of its business' own limit."""
        tenant = new_tenant(**fields)
        self.topics.publish(tenant)
        # A limited one is asked for by its public path, which counts apart, and only once the tenant is known.
        path = f"/v1/public/{tenant.slug}"
        if tenant.limits.requests_per_minute is None:
            until(lambda: self.call("GET", "/v1/business", tenant).status_code == 200, "the tenant is known")
        else:
            until(lambda: '"public"' in self.call("GET", path).headers["RateLimit"], "the tenant is known")
        return tenant

    def raw(self, request: bytes, *, seconds: float = 10) -> bytes:
        """What comes back for these bytes, until the gateway closes the connection."""
        parts = urlsplit(self.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer


def in_one_window() -> None:
    """What is asked next is counted in one of the limits' minutes, which this machine's clock begins and ends."""
    until(lambda: time.monotonic() % WINDOW_SECONDS < WINDOW_SECONDS - _ROOM, "the limits' next minute")


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The answer's problem; fails when it is not a whole one, or another."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"/problems/{slug}", body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body
