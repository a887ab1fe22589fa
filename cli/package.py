"""`make plugin`: writes dist/kubectl-slotwright-<version>.tar.gz and dist/slotwright.yaml, Krew's manifest.

The archive holds one file that any Python 3.11 runs: the package and click, as a zipapp (PEP 441). It is written
here and not by `python -m zipapp`, which takes the files as the disk lists them and at the times that they have:
the same sources, click and Python give the same bytes, so that anybody may check a release against them.
"""

import argparse
import gzip
import hashlib
import io
import string
import sys
import tarfile
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
COMMAND = "kubectl-slotwright"
_DISTRIBUTIONS = ("slotwright-cli", "click")
_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can say."""
_ENTRY = '''\
"""Starts the command that the file was called as; says what is missing where the Python is too old to read it."""
import os
import sys

if sys.version_info < (3, 11):
    sys.exit("kubectl slotwright needs Python 3.11 or newer; python3 is %d.%d here." % sys.version_info[:2])
if os.path.basename(sys.argv[0]).startswith("kubectl_complete"):
    from kubectl_slotwright.completion import main
else:
    from kubectl_slotwright.app import main
main()
'''


def build(target: Path, releases: str) -> tuple[Path, Path]:
    """Answers the archive and the manifest; `releases` is the URL below which `v<version>/<archive>` will stand."""
    number = version("slotwright-cli")
    target.mkdir(parents=True, exist_ok=True)
    archive = target / f"{COMMAND}-{number}.tar.gz"
    archive.write_bytes(
        _packed(
            {
                COMMAND: (_zipapp(), 0o755),
                "LICENSE": ((ROOT / "LICENSE").read_bytes(), 0o644),
                "LICENSE-click": (_licence("click"), 0o644),
            }
        )
    )
    template = string.Template((HERE / "krew.yaml").read_text("utf-8"))
    lines = template.substitute(
        version=number,
        releases=releases.rstrip("/"),
        archive=archive.name,
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
    ).splitlines(keepends=True)
    manifest = target / "slotwright.yaml"
    manifest.write_text("".join(line for line in lines if not line.startswith("#")), "utf-8")
    return archive, manifest


def _zipapp() -> bytes:
    files = {"__main__.py": _ENTRY.encode()}
    for name in _DISTRIBUTIONS:
        files |= _files(name)
    made = io.BytesIO(b"#!/usr/bin/env python3\n")
    # Behind the first line; stored, not deflated: the archive around it is compressed, and Pythons' zlibs differ.
    with zipfile.ZipFile(made, "a") as archive:
        for place, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(place, _TIME), content)
    return made.getvalue()


def _files(name: str) -> dict[str, bytes]:
    """The modules of a distribution, and as much of its metadata as names and licenses it."""
    found = distribution(name)
    files = {
        path.as_posix(): Path(str(path.locate())) for path in found.files or () if not path.is_absolute()
    }
    if name == "slotwright-cli":  # installed from the checkout, as it stands there
        source = HERE / "src"
        files |= {path.relative_to(source).as_posix(): path for path in source.rglob("*.py")}
    kept = {}
    for place, path in files.items():
        parts = place.split("/")
        module = place.endswith((".py", "py.typed")) and ".." not in parts and not parts[0].startswith("_")
        metadata = parts[0].endswith(".dist-info") and (parts[-1] == "METADATA" or "licenses" in parts)
        if module or metadata:
            kept[place] = path.read_bytes()
    return kept


def _licence(name: str) -> bytes:
    found = distribution(name)
    texts = [path for path in found.files or () if path.name.upper().startswith("LICENSE")]
    return Path(str(texts[0].locate())).read_bytes()


def _packed(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A tar.gz of nobody's, at no time."""
    made = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=made, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Packs kubectl slotwright for Krew.")
    parser.add_argument("--target", type=Path, default=ROOT / "dist")
    parser.add_argument(
        "--releases", required=True, help="the URL below which v<version>/ will hold the archive"
    )
    given = parser.parse_args()
    for path in build(given.target, given.releases):
        sys.stdout.write(f"{path}\n")
