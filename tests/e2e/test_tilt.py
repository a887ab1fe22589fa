"""`tilt ci` from nothing, and a saved file that is serving in its pod under `tilt up`.

From a copy of this checkout, since a file of it is changed. Slow: Tilt puts eleven images into the cluster and
rolls everything out, on two cores.
"""

import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from devstack.cluster import ROOT, run
from devstack.processes import free_port
from e2e.world import World
from support.events import until

pytestmark = pytest.mark.slow

_UP_SECONDS = 1200
_SERVING_SECONDS = 60
_PROFILE = "services/business/src/business/routes/profile.py"
_ROUTE = re.compile(r'@router\.get\("/v1/business"[^)]*\)')


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git would take into a commit, with this checkout's virtual environment."""
    folder = Path(tmp_path_factory.mktemp("checkout"))
    for name in run("git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard").splitlines():
        if os.path.lexists(ROOT / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.fixture(scope="module")
def world(empty_world: World, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """With everything in it, brought there by `tilt ci`."""
    log = tmp_path_factory.mktemp("tilt") / "ci.log"
    process = tilt(empty_world, checkout, f"ci --timeout={_UP_SECONDS}s", free_port(), log)
    assert process.wait(_UP_SECONDS + 60) == 0, tail(log)
    return empty_world


def tilt(
    world: World, checkout: Path, command: str, port: int, log: Path, *more: str
) -> subprocess.Popen[bytes]:
    """Started; what it says goes to `log`. `more` is for the Tiltfile."""
    values = [f"--platform_values={world.platform_values}", f"--backing_values={world.backing_values}"]
    with log.open("wb") as out:
        return subprocess.Popen(
            ["tilt", *command.split(), "--port", str(port), "--", *values, *more],
            cwd=checkout,
            # What Tilt calls is the copy's, whose files it builds the images from.
            env=os.environ
            | {"KUBECONFIG": str(world.kubeconfig), "PYTHONPATH": str(checkout / "dev" / "src")},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def tilt_up(world: World, checkout: Path, service: str, log: Path) -> Iterator[None]:
    """`tilt up` of one service, when it has nothing left to do; ended as Ctrl-C would."""
    port = free_port()
    process = tilt(world, checkout, "up --stream", port, log, f"--services={service}")
    try:
        until_ready(service, port, process)
        yield
    finally:
        process.terminate()
        process.wait(30)
        # Shown with a test that fails.
        print(tail(log))  # noqa: T201


def until_ready(name: str, port: int, process: subprocess.Popen[bytes]) -> None:
    wait = [
        "tilt",
        "wait",
        "--port",
        str(port),
        "--for=condition=Ready",
        "--timeout=10s",
        f"uiresource/{name}",
    ]

    def ready() -> bool:
        assert process.poll() is None, "tilt has ended"
        return subprocess.run(wait, capture_output=True, check=False).returncode == 0

    until(ready, f"{name} is ready", seconds=_UP_SECONDS)


def tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-60:])


def test_tilt_ci_brings_everything_up_from_nothing(world: World) -> None:
    """To its last resource, the sample business."""
    ready = "-o=jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    assert world.cluster.kubectl("get", "tenant", "riverside", ready) == "True"
    assert httpx.get(f"{world.gateway}/v1/public/riverside", timeout=30).status_code == 200


def test_a_saved_file_is_serving_in_the_pod_that_ran_before(
    world: World, checkout: Path, tmp_path: Path
) -> None:
    """Without a new image or pod; how long it took is printed. The others run on as they were left."""
    selector = "app.kubernetes.io/name=business,app.kubernetes.io/component=all"
    log = tmp_path / "tilt-up.log"
    with tilt_up(world, checkout, "business", log), httpx.Client(base_url=world.gateway) as client:
        before = [pod["metadata"]["uid"] for pod in world.pods(selector)]
        took = [_until_serving(client, checkout / _PROFILE) for _ in range(3)]
        print("saved file serving after " + ", ".join(f"{seconds:.1f} s" for seconds in took))  # noqa: T201
        assert [pod["metadata"]["uid"] for pod in world.pods(selector)] == before


def _until_serving(client: httpx.Client, file: Path) -> float:
    """Seconds from a change of the route's description until it stands in the gateway's document."""
    said = f"As of {secrets.token_hex(6)}."
    text, changed = _ROUTE.subn(f'@router.get("/v1/business", description="{said}")', file.read_text("utf-8"))
    assert changed == 1
    file.write_text(text, "utf-8")
    saved = time.monotonic()
    while said not in client.get("/openapi.json", timeout=30).text:
        assert time.monotonic() - saved < _SERVING_SECONDS, "the saved file is not serving"
        # Each look asks every service for its document, on the cores that the start needs.
        time.sleep(0.2)
    return time.monotonic() - saved
