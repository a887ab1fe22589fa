"""Finds or makes the programs that no wheel carries: etcd, kube-apiserver, Mailpit.

One that is on PATH in the version we need is taken; else the one in the cache; else it is fetched (see archives)
where its makers publish it with a checksum; else it is built from its Go module, pinned with everything below it by
the go.sum in devstack/golang, by the Go on PATH or a wheel's. Called by the stack and by the tests' fixtures. It is
done once, by whoever comes first; the others wait for it.
"""

import os
import re
import select
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.archives import ENVTEST, Archive, fetch, no_news
from devstack.cache import cache_folder, one_at_a_time
from devstack.errors import StackError
from devstack.processes import end_with_parent, script

_MODULES = Path(__file__).parent / "golang"
_GIGABYTE = 1 << 30
_LAST_LINES = 12
_TICK_SECONDS = 0.5


class BinaryError(StackError):
    """A program could not be had; the message says what failed and what to do."""


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
    archive: Archive | None = None

    @property
    def minor(self) -> str:
        """`1.34` of `1.34.3`: one from PATH may differ after it."""
        return ".".join(self.version.split(".")[:2])


ETCD = Program("etcd", "3.6.5", ".", ("--version",), 700, 1.0, archive=ENVTEST)
# Its makers publish archives without checksums that could be pinned.
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
    4.0,
    f"-X {_BASE}.gitVersion=v1.34.3 -X {_BASE}.gitMajor=1 -X {_BASE}.gitMinor=34 -X {_BASE}.gitTreeState=clean",
    ENVTEST,
)


def program(wanted: Program, on_progress: Callable[[str], None] = no_news) -> Path:
    """Where the program is, fetched or built first if need be. Raises StackError.

    `on_progress` takes a line for a person, at least every second; what it raises ends what goes on.
    """
    installed = shutil.which(wanted.name)
    if installed and _is_right(wanted, installed):
        return Path(installed)
    folder = cache_folder() / "bin"
    built = folder / f"{wanted.name}-{wanted.version}"
    fetched = folder / wanted.archive.name / wanted.name if wanted.archive else built
    for there in (built, fetched):
        if there.exists():
            return there
    # Programs of one archive come together.
    with one_at_a_time(folder, wanted.archive.name if wanted.archive else wanted.name, on_progress):
        for there in (built, fetched):
            if there.exists():
                return there
        why_not = ""
        if wanted.archive:
            why_not = fetch(wanted.archive, folder, on_progress)
            if not why_not and fetched.exists():
                return fetched
        _build(wanted, built, on_progress, why_not)
    return built


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


def _build(wanted: Program, target: Path, on_progress: Callable[[str], None], why_not: str) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < wanted.disk_gigabytes * _GIGABYTE:
        raise BinaryError(
            f"Building {wanted.name} takes {wanted.disk_gigabytes:.0f} GB for a while and {target.parent} has"
            f" {free / _GIGABYTE:.1f} GB: make room, or set SLOTWRIGHT_CACHE to a folder on another disk."
        )
    # Go's caches are ours and go when the build is done. They stay when it fails, so that the next one goes on.
    work = target.parent.parent / "build" / wanted.name
    module, made = work / "module", work / "made"
    shutil.rmtree(module, ignore_errors=True)
    shutil.copytree(_MODULES / wanted.name, module)
    env = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH", "GOROOT"}}
    env |= {
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "GOPATH": str(work / "go"),
        "GOMODCACHE": str(work / "go" / "pkg" / "mod"),
        "GOCACHE": str(work / "cache"),
    }
    flags = ["-v", "-trimpath", "-buildvcs=false", "-mod=readonly", "-modcacherw"]
    flags += ["-ldflags", f"-s -w {wanted.link_flags}".strip()]
    command = [_go(module / "go.mod"), "build", *flags, "-o", str(made), wanted.package]
    _run(wanted, command, module, env, on_progress, why_not)
    made.chmod(0o755)
    made.replace(target)
    shutil.rmtree(work, ignore_errors=True)


def _go(manifest: Path) -> str:
    """The Go on PATH where it is new enough for the module, else the wheel's."""
    found = shutil.which("go")
    asked = re.search(r"^go (\S+)$", manifest.read_text("utf-8"), re.MULTILINE)
    if found and asked:
        told = subprocess.run(
            [found, "version"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"GOTOOLCHAIN": "local"},
        )
        has = re.search(r"\bgo(\d+(?:\.\d+)*)", told.stdout)
        if has and _numbers(has[1]) >= _numbers(asked[1]):
            return found
    return script("go")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _run(
    wanted: Program,
    command: list[str],
    folder: Path,
    env: Mapping[str, str],
    on_progress: Callable[[str], None],
    why_not: str,
) -> None:
    last: deque[str] = deque(maxlen=_LAST_LINES)
    fetched = built = 0
    state = "asks for modules"
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - two system calls
        )
    except FileNotFoundError as error:
        raise BinaryError(
            f"{wanted.name} has to be built and there is no Go: `make init` installs one beside Python,"
            f" or put one on PATH."
        ) from error
    with process:
        try:
            for text in _lines(process):
                if text.startswith("go: downloading "):
                    fetched += 1
                    state = f"fetches modules ({fetched})"
                elif text and " " not in text:
                    built += 1
                    state = f"builds package {built} of about {max(wanted.packages, built)}"
                elif text:
                    last.append(text)
                on_progress(state)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise BinaryError(_what_to_do(wanted, "\n".join(last) or "(go said nothing)", why_not))


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What a process writes, line by line, and an empty text whenever it has been silent for a moment."""
    assert process.stdout is not None  # noqa: S101 - asked for at its start
    pipe, rest = process.stdout.fileno(), b""
    while True:
        if not select.select([pipe], [], [], _TICK_SECONDS)[0]:
            yield ""
            continue
        chunk = os.read(pipe, 1 << 16)
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace").strip() for line in whole)
    yield rest.decode("utf-8", "replace").strip()


def _what_to_do(wanted: Program, said: str, why_not: str) -> str:
    if "no space left" in said:
        advice = "Make room, or set SLOTWRIGHT_CACHE to a folder on another disk."
    elif "SECURITY ERROR" in said or "go.sum" in said:
        advice = "What GOPROXY answers is not what was pinned: use another."
    else:
        advice = "Is the network there, and does GOPROXY name a proxy you reach?"
    before = f"({why_not})\n" if why_not else ""
    return (
        f"{wanted.name} {wanted.version} could not be built:\n{said}\n{before}"
        f"{advice} Or put {wanted.name} {wanted.minor} on PATH."
    )
