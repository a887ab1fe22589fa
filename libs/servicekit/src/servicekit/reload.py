"""Runs a service from a copy of its code and starts it anew when the copy changes: for `tilt up` alone.

A pod's own code cannot be written. Its init container runs `python -m servicekit.reload --copy /code`, which
copies this project's packages there; its container runs `python -m servicekit.reload --from /code -- service all`,
which puts them first on the path. Tilt writes changed files into /code.
"""

import argparse
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_TICK_SECONDS = 0.25
_GRACE_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m servicekit.reload")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--copy", type=Path, metavar="FOLDER")
    what.add_argument("--from", type=Path, metavar="FOLDER", dest="code")
    parser.add_argument("command", nargs="*")
    given = parser.parse_args()
    if given.copy:
        copy_packages(given.copy)
        return 0
    return run(given.command, given.code)


def copy_packages(folder: Path, path: Sequence[str] = sys.path) -> None:
    """Copies every package of this project installed on `path`: those of a distribution named `slotwright-…`."""
    for found in importlib.metadata.distributions(path=list(path)):
        if found.metadata["Name"].startswith("slotwright-"):
            for file in found.files or ():
                source = Path(str(found.locate_file(file)))
                if source.suffix != ".pyc" and ".dist-info" not in str(file) and ".." not in file.parts:
                    target = folder / str(file)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)


def run(command: list[str], code: Path) -> int:
    """Runs the command until told to stop, anew whenever a file below `code` has changed; answers 0.

    A command that ends by itself is not started again until a file changes: a mistake stays readable in its log.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    env = {**os.environ, "PYTHONPATH": str(code)}
    # The image writes no bytecode, as its own files are read-only. Here it saves compiling everything each time.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    seen, child = _state(code), subprocess.Popen(command, env=env)
    while not stop.wait(_TICK_SECONDS):
        now = _state(code)
        if now != seen:
            sys.stderr.write("code has changed: starts anew\n")
            _end(child)
            seen, child = now, subprocess.Popen(command, env=env)
    _end(child)
    return 0


def _state(code: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns
        for path in code.rglob("*")
        if "__pycache__" not in path.parts and path.is_file()
    }


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    raise SystemExit(main())
