"""Fetches programs from an archive that their makers publish, where one can be reached: far quicker than a build.

Called by devstack.binaries. What is fetched counts only with the checksum pinned here.
"""

import hashlib
import platform
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx

_MEGABYTE = 1 << 20
_CONNECT_SECONDS = 3.0
_FETCH_SECONDS = 120.0
"""Past this a build is as fast."""


def no_news(_text: str) -> None:
    """For callers with nobody to tell."""


@dataclass(frozen=True)
class Archive:
    """A published archive of programs. Its version may differ from the modules' after the minor number."""

    name: str
    url: str
    """With `{machine}`."""
    sha512: Mapping[str, str]
    """By machine, as Go names it."""
    programs: frozenset[str]


# The index of its publisher, controller-tools, has no newer one of 1.34; the etcd in it is 3.6.4.
ENVTEST = Archive(
    "envtest-1.34.1",
    "https://github.com/kubernetes-sigs/controller-tools/releases/download/envtest-v1.34.1/"
    "envtest-v1.34.1-linux-{machine}.tar.gz",
    {
        "amd64": "c5e7c237ae18a8c65d0df1214b864ecd19aa9ff4f1383dbd477c202546d778c0"
        "f74efe15750ec38f57d8de26ba17cd62f404446cdd3c975399a5d4589de35cdd",
        "arm64": "bf13d2456183e66d084e28e1c9eed6a408fb77a06d8d1fd0461a7d9bc0c90b63"
        "d29ea67870b28f80d1f992acb026007d6f43987753c859c81d6a78bc1ca2c903",
    },
    frozenset({"etcd", "kube-apiserver"}),
)


def fetch(archive: Archive, folder: Path, on_progress: Callable[[str], None]) -> str:
    """Puts the archive's programs under its name, whole or not at all; answers why it could not, if so."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if machine not in archive.sha512:
        return f"no archive of {archive.name} is known for {machine}"
    on_progress(f"asks for {archive.name}")
    try:
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as scratch:
            packed, unpacked = Path(scratch, "archive"), Path(scratch, archive.name)
            _download(archive.url.format(machine=machine), packed, on_progress)
            with packed.open("rb") as content:
                if hashlib.file_digest(content, "sha512").hexdigest() != archive.sha512[machine]:
                    return f"what was fetched as {archive.name} is not what was published: another checksum"
            unpacked.mkdir()
            with tarfile.open(packed) as members:
                for member in members:
                    content_of = members.extractfile(member)
                    name = PurePosixPath(member.name).name
                    if content_of is not None and name in archive.programs:
                        with (unpacked / name).open("wb") as out:
                            shutil.copyfileobj(content_of, out)
                        (unpacked / name).chmod(0o755)
            unpacked.rename(folder / archive.name)
    except (httpx.HTTPError, OSError, tarfile.TarError) as error:
        return f"{archive.name} could not be fetched: {error or type(error).__name__}"
    return ""


def _download(url: str, target: Path, on_progress: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _FETCH_SECONDS
    timeout = httpx.Timeout(10.0, connect=_CONNECT_SECONDS)
    with (
        target.open("wb") as out,
        httpx.stream("GET", url, timeout=timeout, follow_redirects=True) as answer,
    ):
        answer.raise_for_status()
        of = int(answer.headers.get("content-length", 0)) // _MEGABYTE
        done = 0
        for chunk in answer.iter_bytes(_MEGABYTE):
            done += out.write(chunk)
            on_progress(f"fetches {done // _MEGABYTE} of {of or '?'} MB")
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout(f"not done after {_FETCH_SECONDS:.0f} s")
