"""`make plugin`: the archive runs with a bare Python, the same each time, and Krew takes its manifest."""

import hashlib
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RELEASES = "https://releases.example/slotwright"


def pack(target: Path) -> tuple[Path, Path]:
    command = [
        sys.executable,
        str(ROOT / "cli" / "package.py"),
        "--target",
        str(target),
        "--releases",
        RELEASES,
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=target.parent).stdout
    archive, manifest = (Path(line) for line in printed.splitlines())
    return archive, manifest


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return pack(tmp_path_factory.mktemp("plugin") / "dist")


@pytest.fixture(scope="module")
def unpacked(packed: tuple[Path, Path]) -> Path:
    folder = packed[0].parent / "unpacked"
    with tarfile.open(packed[0]) as archive:
        # Debian 12's Python 3.11.2 has none.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - packed by ourselves
    return folder


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Without our environment: nothing of the checkout can be imported."""
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def bare_python() -> str:
    """The interpreter that our virtual environment was made from."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)))


def test_a_bare_python_runs_it(unpacked: Path) -> None:
    done = run(bare_python(), "-I", unpacked / "kubectl-slotwright", "--version")
    assert (done.stdout, done.stderr) == (f"kubectl slotwright, version {version('slotwright-cli')}\n", "")
    failed = run(
        bare_python(), "-I", unpacked / "kubectl-slotwright", "status", "--kubeconfig", "/nonexistent"
    )
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1


def test_under_its_other_name_it_completes(unpacked: Path) -> None:
    other = unpacked / "kubectl_complete-slotwright"
    other.symlink_to("kubectl-slotwright")
    done = run(bare_python(), "-I", other, "sta")
    assert done.stdout.splitlines()[-1] == ":4"
    assert done.stdout.startswith("status")


def test_a_python_that_is_too_old_is_told_so(unpacked: Path) -> None:
    """The first lines are read by any Python; a later one plays an older."""
    old = "import sys, runpy; sys.version_info = (3, 8, 1); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    done = run(bare_python(), "-I", "-c", old, unpacked / "kubectl-slotwright")
    assert done.returncode == 1
    assert done.stderr == "kubectl slotwright needs Python 3.11 or newer; python3 is 3.8 here.\n"


def test_the_archive_is_the_same_each_time(packed: tuple[Path, Path], tmp_path: Path) -> None:
    assert [path.read_bytes() for path in pack(tmp_path / "again")] == [path.read_bytes() for path in packed]


def test_nothing_but_the_command_and_licences_is_in_it(unpacked: Path, packed: tuple[Path, Path]) -> None:
    with tarfile.open(packed[0]) as archive:
        entries = {entry.name: entry for entry in archive}
    assert set(entries) == {"kubectl-slotwright", "LICENSE", "LICENSE-click"}
    assert entries["kubectl-slotwright"].mode == 0o755
    assert {(entry.uid, entry.uname, entry.mtime) for entry in entries.values()} == {(0, "", 0)}
    assert "Pallets" in (unpacked / "LICENSE-click").read_text("utf-8")
    with zipfile.ZipFile(unpacked / "kubectl-slotwright") as program:
        contents = b"".join(program.read(name) for name in program.namelist())
    # Not the checkout's own name, which may be a word like any other.
    assert not [part for part in ("cli", ".venv") if str(ROOT / part).encode() in contents]


def test_krew_takes_the_manifest(packed: tuple[Path, Path], unpacked: Path) -> None:
    """The rules are those of Krew's internal/index/validation; unknown fields are refused there, too."""
    archive, path = packed
    manifest: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert manifest["apiVersion"] == "krew.googlecontainertools.github.com/v1alpha2"
    assert manifest["kind"] == "Plugin"
    assert manifest["metadata"] == {"name": path.stem}
    assert re.fullmatch(r"[\w-]+", path.stem)
    spec = manifest["spec"]
    assert set(spec) <= {"version", "shortDescription", "description", "caveats", "homepage", "platforms"}
    assert re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", spec["version"])
    assert spec["shortDescription"]
    assert not set(spec["shortDescription"]) & set("\r\n")
    assert spec["platforms"]
    for platform in spec["platforms"]:
        assert set(platform) == {"selector", "uri", "sha256", "files", "bin"}
        assert platform["uri"] == f"{RELEASES}/{spec['version']}/{archive.name}"
        assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
        assert platform["files"]
        for operation in platform["files"]:
            assert set(operation) == {"from", "to"}
            assert (unpacked / operation["from"]).is_file()
        assert platform["bin"] in {operation["from"] for operation in platform["files"]}
        selectors = platform["selector"]["matchExpressions"]
        assert selectors
        for selector in selectors:
            assert selector["key"] in {"os", "arch"}
            assert selector["operator"] in {"In", "NotIn", "Exists", "DoesNotExist"}
            assert set(selector["values"]) <= {"darwin", "linux", "windows"}
