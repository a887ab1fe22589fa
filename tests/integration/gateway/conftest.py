"""Two gateways for the tests of a module: one before a scripted upstream, one before the real services."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import pytest

from devstack.local_http import NO_TLS
from devstack.processes import free_port
from integration.gateway.edge import ORIGIN, Edge
from integration.gateway.platform import PUBLIC_URL, Platform
from integration.gateway.upstream import serving
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.events import Topics
from support.mail import Mailpit
from support.processes import run_service, served_keys


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A Kafka of its own: the services here would wait for what other tests' events have left untold."""
    with closing(Broker()) as made:
        yield made


@pytest.fixture(scope="module")
def edge(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway that the test signs tokens for; analytics has no address, and nothing listens at notification's."""
    minter = TokenMinter(issuer=PUBLIC_URL)
    with (
        serving() as upstream,
        served_keys(minter) as jwks,
        httpx.Client(verify=NO_TLS, timeout=30) as client,
    ):
        names = ("auth", "business", "booking", "billing", "web")
        upstreams = dict.fromkeys(names, upstream.url)
        upstreams["notification"] = f"http://127.0.0.1:{free_port()}"
        with run_service(
            "gateway",
            "all",
            tmp_path_factory.mktemp("edge"),
            jwks_url=jwks,
            public_url=PUBLIC_URL,
            upstreams=json.dumps(upstreams),
            cors_origins=json.dumps([ORIGIN]),
            trusted_proxies=json.dumps(["127.0.0.0/8"]),
            answer_timeout="1.5",
            upstream_connections="8",
            openapi_seconds="0",
            sign_in_requests_per_minute="4",
            **broker.service_env("gateway"),
        ) as gateway:
            yield Edge(gateway.url, gateway.log, upstream, minter, Topics(broker.super_user()), client)


@pytest.fixture(scope="module")
def platform(
    databases: Databases, broker: Broker, mailpit: Mailpit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """auth, business, booking, billing, analytics and web as processes, and the gateway before them."""
    with ExitStack() as stack:
        yield Platform.start(stack, databases, broker, mailpit, tmp_path_factory.mktemp("platform"))
