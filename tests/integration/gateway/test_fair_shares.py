"""One client cannot take away what the gateway has for all of them: connections, a business's limit."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from contracts.platform import Limits, TenantChanged
from integration.gateway.edge import Edge, problem

CONNECTIONS = 8
"""To one service; see the fixture."""


@contextmanager
def dribbling(edge: Edge, heads: list[bytes]) -> Iterator[list[socket.socket]]:
    """A connection for each head, on which a chunked body comes a byte every now and then."""
    parts = urlsplit(edge.url)
    stop = threading.Event()
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=30))
            for _ in heads
        ]

        def dribble() -> None:
            open_ones = list(connections)
            while open_ones and not stop.wait(0.3):
                for connection in list(open_ones):
                    try:
                        connection.sendall(b"1\r\nx\r\n")
                    except OSError:
                        open_ones.remove(connection)

        for connection, head in zip(connections, heads, strict=True):
            connection.sendall(head)
        thread = threading.Thread(target=dribble)
        thread.start()
        try:
            yield connections
        finally:
            stop.set()
            thread.join()


@contextmanager
def taking_little(edge: Edge) -> Iterator[socket.socket]:
    """A connection on which little of an answer is under way that nobody reads."""
    parts = urlsplit(edge.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect((parts.hostname, parts.port))
        yield connection


def begun(tenant: TenantChanged, address: str, length: int) -> bytes:
    """A booking from there of whose chunked body so much came."""
    head = f"POST /v1/public/{tenant.slug}/appointments HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n"
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (length, b"x" * length)


@pytest.mark.parametrize("before", [1, 100_000])
def test_slow_bodies_take_no_connection_to_a_service(edge: Edge, before: int) -> None:
    """Small ones and large ones; each is answered once its time is over."""
    tenant = edge.open_business()
    seen = len(edge.upstream.seen)
    heads = [begun(tenant, f"203.0.113.{client}", before) for client in range(2 * CONNECTIONS)]
    with dribbling(edge, heads) as connections:
        for _ in range(3):
            assert edge.call("GET", f"/v1/public/{tenant.slug}").status_code == 200
        for connection in connections:
            assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert {item.method for item in edge.upstream.seen[seen:]} == {"GET"}


def test_one_stranger_leaves_the_others_their_turns_at_large_bodies(edge: Edge) -> None:
    tenant = edge.open_business()
    path = f"/v1/public/{tenant.slug}/appointments"
    with dribbling(edge, [begun(tenant, "203.0.113.7", 100_000)] * 70) as connections:
        for _ in range(3):
            assert edge.call("POST", path, content=b"x" * 100_000).status_code == 200
        answers = [connection.recv(65536) for connection in connections]
    statuses = Counter(answer.split(b" ", 2)[1] for answer in answers)
    assert statuses == {b"408": 8, b"503": 62}
    assert all(b"retry-after: " in answer.lower() for answer in answers if b" 503 " in answer[:20])


@pytest.mark.parametrize("kind", ["large", "whole"])
def test_one_stranger_leaves_the_others_the_connections_that_answers_come_by(edge: Edge, kind: str) -> None:
    """Answers whose length is known, as the API's are, and others; nobody takes more than their beginning."""
    path = f"/v1/public/{edge.open_business().slug}"
    asked = f"GET {path}?do={kind}&blocks=256 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
    with ExitStack() as stack:
        connections = [stack.enter_context(taking_little(edge)) for _ in range(CONNECTIONS + 2)]
        for connection in connections:
            connection.sendall(asked.encode())
        statuses = Counter(connection.recv(1024).split(b" ", 2)[1] for connection in connections)
        for _ in range(3):
            assert edge.call("GET", path).status_code == 200
    assert statuses == {b"200": 1, b"503": CONNECTIONS + 1}


def test_one_stranger_leaves_the_others_their_part_of_a_businesss_limit(edge: Edge) -> None:
    limited = edge.open_business(limits=Limits(requests_per_minute=200))
    path, loud = f"/v1/public/{limited.slug}", {"X-Forwarded-For": "203.0.113.7"}
    answers = [edge.call("GET", path, headers=loud) for _ in range(60)]
    # All in one minute, or in two.
    refused = answers[-1]
    body = problem(refused, 429, "too-many-requests")
    assert (body["limit"], body["policy"]) == (50, "visitor")
    assert int(refused.headers["Retry-After"]) > 0
    assert edge.call("GET", path).status_code == 200
    # Who has few requests gives a stranger enough of them to book.
    small = edge.open_business(limits=Limits(requests_per_minute=40))
    first = edge.call("GET", f"/v1/public/{small.slug}", headers=loud)
    assert '"visitor";q=30;w=60' in first.headers["RateLimit-Policy"]


def test_a_head_without_end_is_not_gathered(edge: Edge) -> None:
    parts = urlsplit(edge.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ")
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                connection.sendall(b"a" * 1024)
