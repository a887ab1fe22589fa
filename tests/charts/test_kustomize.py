"""kustomize/ is what the charts render to, and a real API server takes it; the examples hold just our rights."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from contracts.topics import ALL_TOPICS, PARTS
from devstack import kustomize, strimzi
from devstack.cluster import run, wanted_secrets
from devstack.kafka import Kafka
from devstack.kustomize import FOLDER, LAYERS, Body, Identity
from devstack.processes import script
from devstack.services import DATABASE_SERVICES
from servicekit.kafka_access import part_rules
from servicekit.settings import KafkaSettings
from support.api_server import ApiServer
from support.events import until
from tenant_operator.domain import StreamState, TopicState, WantedStream
from tenant_operator.streams import Streams

VALUES = FOLDER / "values"
OVERLAYS = {
    "dev": ("../../dev/cluster/platform",),
    "staging": ("private-ca", "monitoring", "ingress"),
    "production": ("apart", "autoscaling", "private-ca", "smtp-login", "monitoring", "route"),
    "production-operators": (
        "apart",
        "autoscaling",
        "cloudnativepg",
        "strimzi",
        "smtp-login",
        "monitoring",
        "route",
    ),
}
"""Each with the files of values that make the same of Helm."""
EXAMPLES = FOLDER / "examples"
VENDORED = Path(__file__).parent / "vendored"
THEIRS = ("Cluster", "Database", "Kafka", "KafkaNodePool", "KafkaUser")


def build(folder: Path) -> list[Body]:
    return list(yaml.safe_load_all(run(script("kubectl"), "kustomize", str(folder))))


@pytest.fixture(scope="module")
def built() -> dict[str, list[Body]]:
    return {name: build(FOLDER / "overlays" / name) for name in OVERLAYS}


@pytest.mark.slow
def test_what_stands_there_is_what_the_charts_render_to() -> None:
    """Slow: Helm renders the whole platform a dozen times."""
    wanted = kustomize.written()
    stale = [
        str(path.relative_to(FOLDER))
        for path, text in wanted.items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    assert not stale, "run `make kustomize`"
    generated = {path for name in ("base", "prerequisites", *LAYERS) for path in (FOLDER / name).iterdir()}
    assert not generated - set(wanted), "left by an older render"


def test_every_overlay_has_its_values_here() -> None:
    assert {path.name for path in (FOLDER / "overlays").iterdir()} == set(OVERLAYS)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_what_helm_makes_of_the_same_values(name: str, built: dict[str, list[Body]]) -> None:
    """However many components it has, and in whatever order."""
    ours = {identity: body for identity, body in _known(built[name]).items() if body["kind"] != "ConfigMap"}
    theirs = kustomize.render(*((VALUES / f"{values}.yaml").resolve() for values in OVERLAYS[name]))
    theirs = _known(theirs.values())
    assert set(ours) == set(theirs)
    for identity, body in theirs.items():
        assert ours[identity] == body, identity


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_variable_stands_before_one_that_refers_to_it(name: str, built: dict[str, list[Body]]) -> None:
    """Kubernetes leaves `$(NAME)` as it is when NAME comes later."""
    seen = 0
    for container in _containers(built[name]):
        names: set[str] = set()
        for entry in container.get("env", ()):
            for needed in kustomize.REFERENCE.findall(entry.get("value", "")):
                assert needed in names, (container["name"], entry)
                seen += 1
            names.add(entry["name"])
    assert seen >= len(DATABASE_SERVICES) * 3


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_settings_are_those_that_are_used(name: str, built: dict[str, list[Body]]) -> None:
    given = {
        (body["metadata"]["name"], key)
        for body in built[name]
        if body["kind"] == "ConfigMap"
        for key in body["data"]
    }
    used = {
        (reference["name"], reference["key"])
        for container in _containers(built[name])
        for entry in container.get("env", ())
        if (reference := entry.get("valueFrom", {}).get("configMapKeyRef"))
    }
    assert used == given


def test_the_secrets_of_the_dev_overlay_are_those_that_make_kind_up_makes(
    built: dict[str, list[Body]],
) -> None:
    made = {(name, key) for name, data in wanted_secrets().items() for key in data}
    assert _secrets(built["dev"]) <= made


# The API server.

_APPLY = ("apply", "--server-side", "--force-conflicts")
"""Over what ApiServer has put there in another way: CRDs, and the operator's rights by operator/rbac.yaml."""


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of an API server of its own, that knows the kinds of others which the overlays use."""
    server = ApiServer()
    try:
        path = server.admin_kubeconfig(tmp_path_factory.mktemp("kustomize"))
        crds = [yaml.safe_load(file.read_text("utf-8")) for file in sorted(VENDORED.glob("*.yaml"))]
        crds += json.loads((VENDORED / "operators.json").read_text("utf-8"))["crds"]
        text = yaml.safe_dump_all(crds)
        _kubectl(path, *_APPLY, "-f", "-", given=text)
        _kubectl(path, "wait", "--for=condition=Established", "--timeout=60s", "-f", "-", given=text)
        _kubectl(path, *_APPLY, "-k", str(FOLDER / "prerequisites"), given="")
        yield path
    finally:
        server.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", OVERLAYS)
def test_the_api_server_takes_an_overlay(name: str, built: dict[str, list[Body]], kubeconfig: Path) -> None:
    """Pod Security's `restricted` and unknown fields included. Slow: it starts an API server."""
    said = _kubectl(
        kubeconfig,
        *_APPLY,
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
        given=yaml.safe_dump_all(built[name]),
    )
    assert "Warning" not in said
    assert said.count("(server dry run)") == len(built[name])


# What CloudNativePG and Strimzi are told.


def test_every_part_has_the_rights_of_the_list_of_topics_in_strimzi() -> None:
    users = {
        body["metadata"]["name"]: body for body in build(EXAMPLES / "strimzi") if body["kind"] == "KafkaUser"
    }
    assert set(users) == set(PARTS)
    for part, user in users.items():
        given, wanted = set(_bindings(user, part)), set(part_rules(part))
        assert given >= wanted
        if part != strimzi.OPERATOR:
            assert given == wanted


@pytest.mark.slow
def test_strimzis_rights_are_enough_for_the_operator(tmp_path: Path) -> None:
    """As no super user, and giving no part its rights. Slow: it starts a broker that no topic is in."""
    broker = Kafka(tmp_path / "kafka")
    broker.start()
    try:
        admin = AdminClient(dict(broker.client_config()))
        login = "strimzi-operator"  # not `operator`, who is a super user there
        (user,) = (strimzi.user(part) for part in PARTS if part == strimzi.OPERATOR)
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        made = admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(login, credential, b"a word")]
        )
        given = admin.create_acls(_bindings(user, login))
        for answer in (*made.values(), *given.values()):
            answer.result(30)
        kafka = KafkaSettings(
            bootstrap=broker.client_config()["bootstrap.servers"],
            security_protocol="SASL_PLAINTEXT",
            username=login,
            password=SecretStr("a word"),
        )
        streams = Streams(kafka, grants=False)
        asyncio.run(streams.prepare())
        assert {topic.name for topic in ALL_TOPICS} <= set(admin.list_topics(timeout=30).topics)
        for hours, partitions in ((24, 1), (48, 2)):
            wanted = WantedStream("riverside", UUID(int=1), partitions, hours)
            asyncio.run(streams.put(wanted, "another word"))
            topics = dict.fromkeys(wanted.topics, TopicState(partitions, hours))
            _until_seen(streams, StreamState(topics=topics, user=True, access=True))
        asyncio.run(streams.drop("riverside"))
        _until_seen(streams, StreamState())
    finally:
        broker.stop()


def test_cloudnativepg_has_a_database_and_its_two_roles_for_each_service() -> None:
    bodies = build(EXAMPLES / "cloudnativepg")
    (cluster,) = (body for body in bodies if body["kind"] == "Cluster")
    databases = [body["spec"] for body in bodies if body["kind"] == "Database"]
    assert {(spec["name"], spec["owner"]) for spec in databases} == {
        (name, f"{name}_owner") for name in DATABASE_SERVICES
    }
    values = yaml.safe_load((VALUES / "cloudnativepg.yaml").read_text("utf-8"))
    secrets = {
        role: values[name]["database"][secret]["name"]
        for name in DATABASE_SERVICES
        for role, secret in ((f"{name}_app", "existingSecret"), (f"{name}_owner", "ownerSecret"))
    }
    roles = {role["name"]: role for role in cluster["spec"]["managed"]["roles"]}
    assert {name: role["passwordSecret"]["name"] for name, role in roles.items()} == secrets
    assert all(
        role["login"] and not role.get("superuser") and not role.get("bypassrls") for role in roles.values()
    )
    doors = [f"hostssl {name} {name}_owner,{name}_app all scram-sha-256" for name in DATABASE_SERVICES]
    assert cluster["spec"]["postgresql"]["pg_hba"] == [*doors, "host all all all reject"]
    name = cluster["metadata"]["name"]
    assert values["global"]["slotwright"]["database"] == {
        "host": f"{name}-rw",
        "caSecret": {"name": f"{name}-ca", "key": "ca.crt"},
    }


def test_postgresql_has_a_connection_for_every_pod_that_there_can_be(built: dict[str, list[Body]]) -> None:
    """With each autoscaler at its maximum, in a rollout that gives each Deployment one pod more."""
    (cluster,) = (body for body in built["production-operators"] if body["kind"] == "Cluster")
    there = int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])
    assert _connections(built["production-operators"], surge=1) + _OTHER_CONNECTIONS <= there
    page = (FOLDER.parent / "docs" / "install.md").read_text("utf-8")
    for bodies in (build(FOLDER / "base"), build(FOLDER / "apart"), built["production"]):
        assert f"| {_connections(bodies)} | {_connections(bodies, surge=1)} |" in page


_OTHER_CONNECTIONS = 25
"""Of migrations, two each, of the server's own operator, and those that PostgreSQL keeps for super users."""


def _connections(bodies: list[Body], surge: int = 0) -> int:
    most = {
        body["spec"]["scaleTargetRef"]["name"]: body["spec"]["maxReplicas"]
        for body in bodies
        if body["kind"] == "HorizontalPodAutoscaler"
    }
    count = 0
    for body in bodies:
        if body["kind"] == "Deployment":
            (container,) = body["spec"]["template"]["spec"]["containers"]
            (role,) = container["args"]
            env = {entry["name"]: entry.get("value") for entry in container["env"]}
            if pool := int(env.get("SLOTWRIGHT_DATABASE_POOL_SIZE", 0)):
                own = (role in {"relay", "all"}) + (
                    container["name"] == "billing" and role in {"consume", "all"}
                )
                pods = most.get(body["metadata"]["name"], body["spec"].get("replicas"))
                count += (pods + surge) * (pool + own)
    return count


def _until_seen(streams: Streams, wanted: StreamState) -> None:
    """What the broker has done it tells a moment later."""

    def seen() -> bool:
        asyncio.run(streams.refresh())
        return streams.state("riverside") == wanted

    until(seen, f"{wanted}")


def _known(bodies: Any) -> dict[Identity, Body]:
    """Ours by what they are, without what an overlay alone says: hosts, hints for GitOps, hashes in names."""
    found: dict[Identity, Body] = {}
    for body in bodies:
        if body["kind"] in THEIRS:
            continue
        plain = _plain(body)
        if body["kind"] in {"Ingress", "HTTPRoute"}:
            del plain["spec"]
        if body["kind"] == "Job":
            plain["metadata"].pop("annotations", None)
            plain["metadata"]["name"] = kustomize.identity(body)[2]
        found[kustomize.identity(body)] = plain
    return found


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        items = [_plain(item) for item in node]
        return sorted(items, key=json.dumps) if all(isinstance(item, dict) for item in items) else items
    if isinstance(node, dict):
        found = {key: _plain(value) for key, value in node.items()}
        if "configMapKeyRef" in found:
            found["configMapKeyRef"]["name"] = "-".join(found["configMapKeyRef"]["name"].split("-")[:2])
        return {key: found[key] for key in sorted(found)}
    return node


def _containers(bodies: list[Body]) -> Iterator[Body]:
    for body in bodies:
        if body["kind"] in {"Deployment", "Job"}:
            spec = body["spec"]["template"]["spec"]
            yield from (*spec.get("initContainers", ()), *spec["containers"])


def _secrets(bodies: list[Body]) -> set[tuple[str, str]]:
    """Those that a pod needs to start."""
    return {
        (reference["name"], reference["key"])
        for container in _containers(bodies)
        for entry in container.get("env", ())
        if (reference := entry.get("valueFrom", {}).get("secretKeyRef")) and not reference.get("optional")
    }


def _bindings(user: Body, principal: str) -> list[AclBinding]:
    """Strimzi's rules as Kafka has them."""
    return [
        AclBinding(
            ResourceType[acl["resource"]["type"].replace("cluster", "broker").upper()],
            acl["resource"].get("name", "kafka-cluster"),
            ResourcePatternType[
                {"prefix": "PREFIXED"}.get(acl["resource"].get("patternType", ""), "LITERAL")
            ],
            f"User:{principal}",
            "*",
            AclOperation[_upper(operation)],
            AclPermissionType.ALLOW,
        )
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    ]


def _upper(operation: str) -> str:
    """`AlterConfigs` is ALTER_CONFIGS."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in operation).strip("_").upper()


def _kubectl(kubeconfig: Path, *arguments: str, given: str) -> str:
    """What it says, warnings included."""
    command = [script("kubectl"), "--kubeconfig", str(kubeconfig), *arguments]
    done = subprocess.run(
        command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
