"""Connections that a client keeps: while nobody asks, and when the process is told to stop."""

import http.client
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from servicekit.testing.tokens import TokenMinter
from support.processes import Running, run_service, served_keys


@contextmanager
def _kept(folder: Path, **env: str) -> Iterator[tuple[Running, http.client.HTTPConnection]]:
    """A process, and a connection over which it was asked once."""
    with served_keys(TokenMinter()) as keys:
        env |= {"jwks_url": keys, "cookie_key": "k" * 32}
        with run_service("web", "serve", folder, **env) as web:
            kept = http.client.HTTPConnection(urlsplit(web.url).netloc, timeout=10)
            kept.request("GET", "/healthz")
            first = kept.getresponse()
            first.read()
            assert first.getheader("connection") is None
            yield web, kept


def test_a_process_that_is_told_to_stop_answers_and_asks_for_another_connection(tmp_path: Path) -> None:
    with _kept(tmp_path, drain_seconds="3") as (web, kept):
        web.process.send_signal(signal.SIGTERM)
        seen = None
        while seen is None:
            kept.request("GET", "/healthz")
            answer = kept.getresponse()
            answer.read()
            assert answer.status == 200
            seen = answer.getheader("connection")
        assert seen == "close"
        assert web.process.wait(20) == -signal.SIGTERM


def test_a_connection_on_which_nobody_asks_is_ended_when_the_setting_says(tmp_path: Path) -> None:
    with _kept(tmp_path, idle_seconds="1") as (_, kept):
        assert kept.sock.recv(1) == b""
