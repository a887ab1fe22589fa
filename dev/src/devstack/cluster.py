"""`python -m devstack.cluster`: the platform in a kind cluster, from the charts that production uses.

Called by `make cluster`, `make kind-up` and the Tiltfile, and by the end-to-end tests, which have clusters of their
own. Needs docker, kind, helm and kubectl on PATH; each step may be done again.
"""

import argparse
import base64
import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from contracts.topics import PARTS
from devstack.services import DATABASE_SERVICES

ROOT = Path(__file__).parents[3]
"""The checkout."""
KIND_CONFIG = ROOT / "dev" / "cluster" / "kind.yaml"
CLUSTER = "slotwright"
NAMESPACE = "slotwright"
TENANTS_NAMESPACE = "slotwright-tenants"
"""Where the operator puts businesses' Secrets, in every way to install it (docs/adr/0022)."""
BACKING = "backing"
PLATFORM = "slotwright"
IMAGES = (*DATABASE_SERVICES, "gateway", "web", "operator", "stripe-standin")
_SHARED = ("Dockerfile", ".dockerignore", "pyproject.toml", "uv.lock", "libs")
"""What every image is built from; beside it stands the one folder of `_source`."""
_BUILT_AT_ONCE = 2
"""A build waits for downloads for about as long as it computes."""


class ClusterError(Exception):
    """A step failed; the message is what its program said, for a person."""


@dataclass(frozen=True)
class Cluster:
    """A kind cluster by its name, and the platform's namespace in it."""

    name: str = CLUSTER
    namespace: str = NAMESPACE
    kubeconfig: Path | None = None
    """kubectl's own choice when None, with the cluster's context."""

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return run(
            "kubectl", *self._where("--context"), "--namespace", self.namespace, *arguments, given=given
        )

    def helm(self, *arguments: str) -> str:
        return run("helm", *self._where("--kube-context"), "--namespace", self.namespace, *arguments)

    def _where(self, context: str) -> tuple[str, ...]:
        chosen = (context, f"kind-{self.name}")
        return (*chosen, "--kubeconfig", str(self.kubeconfig)) if self.kubeconfig else chosen

    def create(self, config: Path = KIND_CONFIG) -> None:
        """Makes the cluster unless it is there."""
        if self.name not in run("kind", "get", "clusters").split():
            where = ("--kubeconfig", str(self.kubeconfig)) if self.kubeconfig else ()
            run(
                "kind",
                "create",
                "cluster",
                "--name",
                self.name,
                "--config",
                str(config),
                "--wait",
                "2m",
                *where,
            )
            # kind gives kube-proxy no CPU request. Under load it would learn half a minute late that a pod has
            # gone, and send requests to it; managed clusters give it one.
            proxy = ("--namespace=kube-system", "daemonset/kube-proxy")
            self.kubectl("set", "resources", *proxy, "--requests=cpu=100m")
            # Those of charts/backing's images that Docker has already; the node pulls the rest by itself.
            named = yaml.safe_load((ROOT / "charts" / "backing" / "values.yaml").read_text("utf-8"))
            public = [part["image"] for part in named.values() if isinstance(part, dict) and "image" in part]
            self._load(name for name in public if _has(name))

    def load(self, tag: str) -> None:
        """Puts our images into the cluster's node."""
        self._load(image(name, tag) for name in IMAGES)

    def _load(self, images: Iterable[str]) -> None:
        # kind refuses to be called with none.
        if names := list(images):
            run("kind", "load", "docker-image", "--name", self.name, *names)

    def make_secrets(self) -> list[str]:
        """Makes namespaces and Secrets that are missing, with random values; answers the new Secrets' names."""
        for name in (self.namespace, TENANTS_NAMESPACE):
            space = {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": _RESTRICTED},
            }
            self.kubectl("apply", "-f", "-", given=json.dumps(space))
        there = set(self.kubectl("get", "secrets", "-o", "name").split())
        missing = {name: data for name, data in wanted_secrets().items() if f"secret/{name}" not in there}
        for name, data in missing.items():
            self.kubectl("create", "-f", "-", given=json.dumps(_secret(name, data)))
        return sorted(missing)

    def crds(self) -> None:
        self.helm("upgrade", "--install", "crds", str(ROOT / "charts" / "crds"), "--wait")

    def backing(self, tag: str, more: Sequence[str] = ()) -> None:
        """Installs the servers that the platform needs (PostgreSQL, Kafka, …); waits until they are ready."""
        image = ("--set", f"stripe.image=slotwright/stripe-standin:{tag}")
        waits = ("--wait", "--timeout", "5m")
        self.helm("upgrade", "--install", BACKING, *chart("backing"), *image, *waits, *more)

    def platform(self, tag: str, more: Sequence[str] = ()) -> None:
        """Installs the platform; waits until its schemas are migrated and all of it is ready."""
        image = ("--set", f"global.slotwright.image.tag={tag}")
        waits = ("--wait", "--wait-for-jobs", "--timeout", "10m")
        self.helm("upgrade", "--install", PLATFORM, *chart("slotwright", "platform"), *image, *waits, *more)

    def seed(self) -> None:
        """Applies the sample plans and business; waits until it is Ready."""
        self.kubectl("apply", "-f", str(ROOT / "dev" / "samples"))
        self.kubectl("wait", "--for=condition=Ready", "tenant/riverside", "--timeout=3m")


_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def chart(name: str, values: str | None = None) -> tuple[str, ...]:
    """Helm's arguments for one of our charts with its values for kind."""
    return str(ROOT / "charts" / name), "--values", str(ROOT / "dev" / "cluster" / f"{values or name}.yaml")


def wanted_secrets() -> dict[str, dict[str, str]]:
    """Every Secret that the charts refer to by default, with values made up anew."""
    word = secrets.token_urlsafe
    found = {
        "slotwright-backing": {"postgres-password": word(24), "kafka-password": word(24)},
        "slotwright-links": {"link-key": word(32)},
        "slotwright-webhooks": {"webhook-key": urlsafe_b64encode(secrets.token_bytes(32)).decode()},
        "slotwright-auth": {"encryption-key": urlsafe_b64encode(secrets.token_bytes(32)).decode()},
        "slotwright-web": {"cookie-key": word(32)},
        "slotwright-stripe": {"api-key": f"sk_test_{word(16)}", "webhook-secret": f"whsec_{word(24)}"},
    }
    for name in DATABASE_SERVICES:
        found[f"slotwright-{name}-database"] = {"password": word(24), "owner-password": word(24)}
    for name in PARTS:
        found[f"slotwright-{name}-kafka"] = {"password": word(24)}
    return found


def _secret(name: str, data: Mapping[str, str]) -> dict[str, object]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def source_tag() -> str:
    """A tag from a digest of the files that the images are built from."""
    digest = hashlib.sha256()
    paths = (*_SHARED, *map(_source, IMAGES))
    for file in run("git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", *paths).splitlines():
        path = ROOT / file
        if path.is_file():
            digest.update(f"{file}\0".encode())
            digest.update(path.read_bytes())
    return f"dev-{digest.hexdigest()[:12]}"


def _source(name: str) -> str:
    """The folder of an image's own code."""
    return {"operator": "operator", "stripe-standin": "dev/stripe"}.get(name, f"services/{name}")


def image(name: str, tag: str) -> str:
    return f"slotwright/{name}:{tag}"


def build(names: Iterable[str] = IMAGES, tag: str | None = None) -> str:
    """Builds the images that are missing; answers their tag."""
    version = tag or source_tag()
    missing = [name for name in names if not _has(image(name, version))]

    def build_one(name: str) -> None:
        _say(f"builds {image(name, version)}")
        _build_image(name, image(name, version), version)

    # With the first comes what all of them share.
    for name in missing[:1]:
        build_one(name)
    with ThreadPoolExecutor(_BUILT_AT_ONCE) as pool:
        list(pool.map(build_one, missing[1:]))
    return version


def _build_image(name: str, reference: str, version: str | None = None) -> None:
    """Builds one image from what it is made of and nothing else, so that no other service's change makes it anew.

    The Tiltfile's images are built here as well, and so from the same layers. They have no version: one that is
    built again from the same files is the same image.
    """
    with tempfile.TemporaryDirectory(prefix="slotwright-image-") as folder:
        for path in (*_SHARED, _source(name)):
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / path).is_dir():
                shutil.copytree(ROOT / path, target, symlinks=True)
            else:
                shutil.copy2(ROOT / path, target)
        arguments = ["--build-arg", f"SERVICE={name}"]
        if version is not None:
            arguments += ["--build-arg", f"VERSION={version}"]
        run("docker", "build", *arguments, "-t", reference, folder)


def _has(name: str) -> bool:
    """Whether this machine's engine has the image."""
    asked = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False)
    return asked.returncode == 0


def run(program: str, *arguments: str, given: str | None = None) -> str:
    """A program's output. Raises ClusterError with what it complained of."""
    path = shutil.which(program)
    if path is None:
        raise ClusterError(f"{program} is not on PATH: docs/develop.md says what a cluster needs.")
    done = subprocess.run([path, *arguments], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-4000:] or f"ended with {done.returncode}"
        raise ClusterError(f"{program} {' '.join(arguments[:6])}: {said}")
    return done.stdout


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devstack.cluster", description=__doc__)
    parser.add_argument("--name", default=CLUSTER, help="the kind cluster's name")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("create", help="make the cluster, unless it is there")
    commands.add_parser("secrets", help="make the Secrets that are missing")
    commands.add_parser("images", help="build the images and load them into the cluster")
    one = commands.add_parser("image", help="build one image under a reference of the caller's")
    one.add_argument("part", choices=IMAGES)
    one.add_argument("reference")
    commands.add_parser("up", help="all of it: cluster, images, Secrets, charts, sample business")
    commands.add_parser("seed", help="apply the sample plans and business")
    given = parser.parse_args()
    cluster = Cluster(given.name)
    try:
        if given.command in {"create", "up"}:
            cluster.create()
        if given.command == "image":
            _build_image(given.part, given.reference)
        if given.command in {"images", "up"}:
            tag = build()
            _say("loads the images into the cluster")
            cluster.load(tag)
        if given.command in {"secrets", "up"}:
            for name in cluster.make_secrets():
                _say(f"secret/{name} made")
        if given.command == "up":
            _say("installs the charts")
            cluster.crds()
            cluster.backing(tag)
            cluster.platform(tag)
        if given.command in {"seed", "up"}:
            cluster.seed()
    except ClusterError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
