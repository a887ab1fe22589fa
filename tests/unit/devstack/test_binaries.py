"""Where programs come from: PATH, the cache, a published archive, a build; and what a person reads when none works.

A shell script stands in for the Go compiler, so that builds end soon or fail as wanted.
"""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devstack.archives import Archive
from devstack.binaries import ETCD, MAILPIT, BinaryError, program
from devstack.errors import StackError

_GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go1.99.0 linux/amd64"; exit 0; fi
echo built >> "$(dirname "$0")/builds"
{work}
while [ "$1" != -o ]; do shift; done
echo made > "$2"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and none of the programs; its folder `bin` is first on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("SLOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def put(machine: Path, name: str, text: str) -> Path:
    path = machine / "bin" / name
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


def test_one_on_path_is_taken_in_the_right_version_only(machine: Path) -> None:
    put(machine, "go", _GO.format(work=""))
    there = put(machine, "mailpit", "#!/bin/sh\necho mailpit v1.27.0 compiled with go1.25.0\n")
    assert program(MAILPIT) == there
    put(machine, "mailpit", "#!/bin/sh\necho mailpit v1.26.9 compiled with go1.27.0\n")
    assert program(MAILPIT) == machine / "cache" / "bin" / "mailpit-1.27.11"


def test_it_is_built_once_and_the_others_wait(machine: Path) -> None:
    put(machine, "go", _GO.format(work="sleep 0.7"))
    said: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: program(MAILPIT, said.append), range(4)))
    assert set(found) == {machine / "cache" / "bin" / "mailpit-1.27.11"}
    assert found[0].stat().st_mode & 0o111
    assert (machine / "bin" / "builds").read_text("utf-8") == "built\n"
    assert "waits for another stack that fetches or builds it" in said
    assert not (machine / "cache" / "build" / "mailpit").exists()


def test_a_failing_build_says_what_go_said_and_what_to_do(machine: Path) -> None:
    put(machine, "go", _GO.format(work='echo "go: dial tcp: connection refused"; exit 1'))
    with pytest.raises(BinaryError) as failure:
        program(MAILPIT)
    text = str(failure.value)
    assert text.startswith("mailpit 1.27.11 could not be built:")
    for part in ("connection refused", "GOPROXY", "put mailpit 1.27 on PATH"):
        assert part in text
    put(machine, "go", _GO.format(work=""))
    assert program(MAILPIT).exists()


def test_too_little_room_is_said_before_anything_is_fetched(machine: Path) -> None:
    put(machine, "go", _GO.format(work=""))
    with pytest.raises(BinaryError, match="make room, or set SLOTWRIGHT_CACHE"):
        program(replace(MAILPIT, disk_gigabytes=1e9))
    assert not (machine / "bin" / "builds").exists()


def test_a_cache_that_cannot_be_used_is_named(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "file").touch()
    monkeypatch.setenv("SLOTWRIGHT_CACHE", str(machine / "file"))
    with pytest.raises(StackError, match="set SLOTWRIGHT_CACHE to a folder of yours"):
        program(MAILPIT)


@contextmanager
def published(content: bytes) -> Iterator[str]:
    """A server that answers the content; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Not into the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{{machine}}.tar.gz"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def packed() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as members:
        for name in ("controller-tools/envtest/etcd", "controller-tools/envtest/kubectl"):
            member = tarfile.TarInfo(name)
            member.size = 4
            members.addfile(member, io.BytesIO(b"made"))
    return content.getvalue()


def archive(url: str, checksum: str) -> Archive:
    return Archive("some-1.0", url, dict.fromkeys(("amd64", "arm64"), checksum), frozenset({"etcd"}))


def test_a_published_archive_is_taken_rather_than_built(machine: Path) -> None:
    content = packed()
    with published(content) as url:
        found = program(replace(ETCD, archive=archive(url, hashlib.sha512(content).hexdigest())))
    assert found == machine / "cache" / "bin" / "some-1.0" / "etcd"
    assert found.stat().st_mode & 0o111
    assert [path.name for path in found.parent.iterdir()] == ["etcd"]


def test_an_archive_with_another_checksum_is_not_taken(machine: Path) -> None:
    put(machine, "go", _GO.format(work='echo "go: no network"; exit 1'))
    with published(packed()) as url, pytest.raises(BinaryError) as failure:
        program(replace(ETCD, archive=archive(url, "0" * 128)))
    assert "is not what was published" in str(failure.value)
    assert not (machine / "cache" / "bin" / "some-1.0").exists()
