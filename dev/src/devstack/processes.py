"""What every process that the local stack starts needs: a free port, and to end when its parent does."""

import ctypes
import secrets
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_END_SECONDS = 15.0
# Below those that Linux gives to connections: a server that is away would find its port held by one of them.
_PORTS = range(20_000, 32_000)


def end_with_parent(how: signal.Signals = signal.SIGINT) -> None:
    """Runs in the child, before it becomes its program: this signal when the parent dies, however it dies.

    A shell has its background jobs ignore SIGINT, which a child would inherit and some, Java's, would keep to.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)


def start(
    command: Sequence[str | Path],
    log: IO[bytes],
    env: Mapping[str, str] | None = None,
    *,
    orphaned: signal.Signals = signal.SIGINT,
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, which a Ctrl-C for us does not reach, and which ends when we do.

    `env` is all of its environment; ours when None. `orphaned` is the signal that it gets when we are killed.
    """
    return subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=partial(end_with_parent, orphaned),  # noqa: PLW1509 - two system calls
    )


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Asks a server to end, and kills it when it does not: kube-apiserver, say, waits for an etcd that is gone."""
    process.send_signal(how)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Claims:
    """Ports that we mean to listen on later, kept from the other stacks of this machine until we end.

    A claim is a name in Linux's abstract socket namespace: it is anybody's, it belongs to the network namespace as
    ports do, and it goes with its process, however that ends.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def take(self, preferred: int = 0) -> int:
        """A free port that nobody claims, ours from now on: the preferred one where it is to be had."""
        if preferred and _nobody_listens(preferred) and (preferred in self._held or self._claim(preferred)):
            return preferred
        while True:
            port = secrets.choice(_PORTS)
            if port not in self._held and self._claim(port) and _nobody_listens(port):
                return port

    def _claim(self, port: int) -> bool:
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0slotwright-port-{port}")
        except OSError:
            mark.close()
            return False
        self._held[port] = mark
        return True


_OURS = Claims()


def free_port(preferred: int = 0) -> int:
    """A TCP port of the loopback interface that nobody listens on just now: the preferred one where it is free.

    Another is ours until this process ends: a server that is away for a while finds it free when it is back.
    """
    return preferred if preferred and _nobody_listens(preferred) else _OURS.take()


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def script(name: str) -> str:
    """A program that a wheel has put beside our Python; its bare name, for PATH, where there is none."""
    path = Path(sysconfig.get_path("scripts"), name)
    return str(path) if path.exists() else name
