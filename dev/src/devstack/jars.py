"""Kafka's jars, resolved and fetched once into the cache; called by devstack.kafka.

The resolver runs as a process of its own, `python -m devstack.jars FOLDER …`: it can be ended at any moment, and a
start that has its jars does not import it. Its local Maven repository lies in the cache too.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from devstack import processes
from devstack.archives import no_news
from devstack.cache import cache_folder, one_at_a_time
from devstack.errors import StackError

_TICK_SECONDS = 0.25
_MEGABYTE = 1 << 20
_LAST_LINE = 300


class JarsError(StackError):
    """The jars could not be had; the message says why and what to do."""


def resolved(version: str, endpoints: tuple[str, ...], on_progress: Callable[[str], None] = no_news) -> str:
    """What `java -cp` takes, fetched first if need be. Raises JarsError; what `on_progress` raises ends a fetch."""
    folder = cache_folder() / "kafka" / version
    known = folder / "classpath"
    with one_at_a_time(folder, "jars", on_progress):
        jars = known.read_text("utf-8").splitlines() if known.exists() else []
        if not jars or not all(Path(jar).exists() for jar in jars):
            jars = _resolve(folder, endpoints, on_progress)
            half = known.with_suffix(".half")
            half.write_text("\n".join(jars), "utf-8")
            half.replace(known)
    return os.pathsep.join(jars)


def _resolve(folder: Path, endpoints: tuple[str, ...], on_progress: Callable[[str], None]) -> list[str]:
    env = os.environ | {"M2_REPO": str(folder / "maven")}
    with tempfile.TemporaryFile() as out:
        process = processes.start([sys.executable, "-m", "devstack.jars", str(folder), *endpoints], out, env)
        try:
            while process.poll() is None:
                on_progress(f"fetches its jars ({_size(folder) // _MEGABYTE} MB)")
                time.sleep(_TICK_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        said = out.read().decode("utf-8", "replace").splitlines()
    if process.returncode:
        raise JarsError(_what_to_do(folder, said[-1][:_LAST_LINE] if said else "(nothing was said)"))
    return [line for line in said if line.endswith(".jar")]


def _what_to_do(folder: Path, said: str) -> str:
    if "No space left" in said:
        advice = f"Make room on the disk of {folder}, or set SLOTWRIGHT_CACHE to a folder on another one."
    else:
        advice = (
            "Is the network there, and does HTTPS_PROXY name a proxy if one is needed? What is fetched stays."
        )
    return f"Kafka's jars could not be fetched: {said}\n{advice}"


def _size(folder: Path) -> int:
    sizes = []
    for path in folder.glob("maven/**/*.jar*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # renamed meanwhile
            continue
    return sum(sizes)


def main(folder: str, *endpoints: str) -> None:
    """Prints a path a line. The first endpoint wins where two bring the same library."""
    import jgo  # noqa: PLC0415 - slow, and needed here alone

    # Resolved apart: in one resolution they would settle each other's versions.
    first, *rest = (jgo.build(endpoint, cache_dir=Path(folder)).all_jars for endpoint in endpoints)
    others = [jar for jars in rest for jar in jars if not jar.name.startswith(("log4j-", "slf4j-"))]
    print("\n".join(str(jar) for jar in [*first, *others]))


if __name__ == "__main__":
    main(*sys.argv[1:])
