"""Ports: one that is chosen is kept, so that what listens on it may be away for a while."""

import socket

import pytest

from devstack import processes
from devstack.processes import Claims


def test_of_two_who_choose_neither_gets_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens on either, as when a server is being started anew."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        two = [int(probe.getsockname()[1]) for probe in (one, other)]
    monkeypatch.setattr(processes, "_PORTS", two)
    first, second = Claims(), Claims()
    assert sorted([first.take(), second.take()]) == sorted(two)
