"""Runs a service from a copy of its code and starts it anew when the copy changes: for `tilt up` alone.

A pod's own code cannot be written. Its init container runs `python -m servicekit.reload --copy /code`, which
copies this project's packages there; its container runs `python -m servicekit.reload --from /code -- booking all`,
which puts them first on the path. Tilt writes changed files into /code.

Importing other projects' packages takes most of a service's start. So this process imports them once, and forks a
child that runs the service for each change: only this project's code is read anew.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import multiprocessing
import multiprocessing.process
import runpy
import shutil
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_TICK_SECONDS = 0.25
_GRACE_SECONDS = 2.0
OTHERS = (
    "aiohttp",
    "aiosmtplib",
    "argon2",
    "confluent_kafka.admin",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "fastapi",
    "icalendar",
    "jinja2",
    "jwt",
    "kopf",
    "kubernetes.aio.client.api.core_v1_api",
    "opentelemetry.sdk.trace",
    "phonenumbers",
    "prometheus_client",
    "psycopg.types.json",
    "psycopg_pool",
    "pydantic.v1",
    "pydantic_settings",
    "stripe",
    "structlog",
    "uvicorn",
    "uvloop",
)
"""Packages of others that take long to import, of all services; the image of one of them has only some."""


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
    module, *arguments = given.command
    return run(module, arguments, given.code)


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


def run(module: str, arguments: list[str], code: Path) -> int:
    """Runs `python -m module` until told to stop, anew whenever a file below `code` has changed; answers 0.

    One that ends by itself is not started again until a file changes: a mistake stays readable in its log.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for name in OTHERS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    seen, child = _state(code), _started(module, arguments, code)
    while not stop.wait(_TICK_SECONDS):
        now = _state(code)
        if now != seen:
            sys.stderr.write("code has changed: starts anew\n")
            _end(child)
            seen, child = now, _started(module, arguments, code)
    _end(child)
    return 0


def _started(module: str, arguments: list[str], code: Path) -> multiprocessing.process.BaseProcess:
    child = multiprocessing.get_context("fork").Process(target=_run_module, args=(module, arguments, code))
    child.start()
    return child


def _run_module(module: str, arguments: list[str], code: Path) -> None:
    """Runs in the child: as `python -m module`, with `code` first on the path."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    # The image writes no bytecode, as its own files are read-only. Here it saves compiling everything each time.
    sys.dont_write_bytecode = False
    sys.path.insert(0, str(code))
    ours = {path.name.removesuffix(".py") for path in code.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _state(code: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns
        for path in code.rglob("*")
        if "__pycache__" not in path.parts and path.is_file()
    }


def _end(child: multiprocessing.process.BaseProcess) -> None:
    child.terminate()
    child.join(_GRACE_SECONDS)
    child.kill()
    child.join()


if __name__ == "__main__":
    raise SystemExit(main())
