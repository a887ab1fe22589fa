"""Finds or makes the programs that no wheel carries: etcd, kube-apiserver, Mailpit.

One that is on PATH in the version we need is taken; else the one in the cache; else it is built from its Go module,
pinned with everything below it by the go.sum beside this file, by the Go on PATH or a wheel's. Called by the stack
and by the tests' fixtures. A build is done once, by whoever comes first; the others wait for it.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.cache import cache_folder
from devstack.processes import script

_MODULES = Path(__file__).parent / "golang"
_GIGABYTE = 1 << 30
_LAST_LINES = 12


class BinaryError(Exception):
    """A program could not be had; the message says what failed and what to do."""


def no_news(_text: str) -> None:
    """For callers with nobody to tell."""


@dataclass(frozen=True)
class Program:
    """One program: its version, how to ask for it, and the Go package that makes it."""

    name: str
    version: str
    package: str
    version_arguments: tuple[str, ...]
    packages: int
    """About how many Go packages it is built from: for a bar's length, no more."""
    disk_gigabytes: float
    """What a build needs for a while."""
    link_flags: str = ""

    @property
    def minor(self) -> str:
        """`1.34` of `1.34.3`: one from PATH may differ after it."""
        return ".".join(self.version.split(".")[:2])


ETCD = Program("etcd", "3.6.5", ".", ("--version",), 700, 1.0)
MAILPIT = Program(
    "mailpit", "1.27.11", "github.com/axllent/mailpit", ("version", "--no-release-check"), 500, 1.0
)
_BASE = "k8s.io/component-base/version"
KUBE_APISERVER = Program(
    "kube-apiserver",
    "1.34.3",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    ("--version",),
    1700,
    3.0,
    f"-X {_BASE}.gitVersion=v1.34.3 -X {_BASE}.gitMajor=1 -X {_BASE}.gitMinor=34 -X {_BASE}.gitTreeState=clean",
)


def program(wanted: Program, on_progress: Callable[[str], None] = no_news) -> Path:
    """Where the program is, built first if need be. `on_progress` takes a line for a person. Raises BinaryError."""
    installed = shutil.which(wanted.name)
    if installed and _is_right(wanted, installed):
        return Path(installed)
    folder = cache_folder() / "bin"
    target = folder / f"{wanted.name}-{wanted.version}"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BinaryError(
            f"{folder} cannot be made ({error.strerror}); set SLOTWRIGHT_CACHE to a folder of yours"
        ) from error
    with _one_at_a_time(folder / f"{wanted.name}.lock", lambda: on_progress("waits for another build")):
        if not target.exists():
            _build(wanted, target, on_progress)
    return target


def _is_right(wanted: Program, installed: str) -> bool:
    try:
        told = subprocess.run(
            [installed, *wanted.version_arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return re.search(rf"\bv?{re.escape(wanted.minor)}\.", told.stdout + told.stderr) is not None


@contextmanager
def _one_at_a_time(lock: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    with lock.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build(wanted: Program, target: Path, on_progress: Callable[[str], None]) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < wanted.disk_gigabytes * _GIGABYTE:
        raise BinaryError(
            f"Building {wanted.name} takes {wanted.disk_gigabytes:.0f} GB for a while and {target.parent} has"
            f" {free / _GIGABYTE:.1f} GB: make room, or set SLOTWRIGHT_CACHE to a folder on another disk."
        )
    # With a Go on PATH its caches are the user's, which may hold half of it already. Else they are ours, and go
    # when the build is done.
    keeps = shutil.which("go") is not None
    with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as scratch:
        module = Path(scratch, "module")
        shutil.copytree(_MODULES / wanted.name, module)
        made = Path(scratch, wanted.name)
        env = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=mod -modcacherw"}
        if not keeps:
            env |= {"GOPATH": f"{scratch}/go", "GOCACHE": f"{scratch}/cache", "GOTOOLCHAIN": "local"}
        command = [
            shutil.which("go") or script("go"),
            "build",
            "-v",
            "-trimpath",
            "-ldflags",
            f"-s -w {wanted.link_flags}".strip(),
            "-o",
            str(made),
            wanted.package,
        ]
        _run(wanted, command, module, env, on_progress)
        made.chmod(0o755)
        made.replace(target)


def _run(
    wanted: Program, command: list[str], folder: Path, env: dict[str, str], on_progress: Callable[[str], None]
) -> None:
    last: deque[str] = deque(maxlen=_LAST_LINES)
    fetched = built = 0
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise BinaryError(
            "There is no Go: `make init` installs one beside Python, or put one on PATH."
        ) from error
    with process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        for line in process.stdout:
            text = line.strip()
            if text.startswith("go: downloading "):
                fetched += 1
                on_progress(f"fetches modules ({fetched})")
            elif text and " " not in text:
                built += 1
                on_progress(f"builds package {built} of about {max(wanted.packages, built)}")
            else:
                last.append(text)
    if process.returncode:
        why = "\n".join(last) or "(go said nothing)"
        raise BinaryError(
            f"{wanted.name} {wanted.version} could not be built:\n{why}\n"
            f"Is the network there, and does GOPROXY name a proxy you reach?"
            f" Or put {wanted.name} {wanted.minor} on PATH."
        )
