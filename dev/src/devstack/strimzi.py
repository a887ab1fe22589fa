"""The platform's Kafka users for Strimzi, from the list of topics: who may do what, and no more.

Used by `kustomize`, which writes them to kustomize/examples/strimzi/users.yaml.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka.admin import AclBinding, AclOperation, ResourcePatternType, ResourceType

from contracts.topics import ALL_TOPICS, PARTS, TENANT_TOPIC_PREFIX
from devstack.cluster import ROOT
from servicekit.kafka_access import part_rules

FILE = ROOT / "kustomize" / "examples" / "strimzi" / "users.yaml"
CLUSTER = "slotwright"
OPERATOR = "operator"
_HEAD = (
    "# Written by `make kustomize` from libs/contracts/src/contracts/topics.py. Do not edit.\n"
    "# A user's password is made by Strimzi, in the Secret kafka-<user> (see kafka.yaml).\n"
)

_KINDS = {ResourceType.TOPIC: "topic", ResourceType.GROUP: "group"}
_PATTERNS = {ResourcePatternType.LITERAL: "literal", ResourcePatternType.PREFIXED: "prefix"}
_OPERATIONS = {AclOperation.READ: "Read", AclOperation.WRITE: "Write"}

Acl = dict[str, Any]


def written() -> dict[Path, str]:
    """The file with what it should hold."""
    return {FILE: _HEAD + "---\n".join(yaml.safe_dump(user(part), sort_keys=False) for part in PARTS)}


def user(part: str) -> dict[str, Any]:
    """One part's KafkaUser."""
    acls = [*_acls(part_rules(part)), *(_operators() if part == OPERATOR else ())]
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {
            "name": part,
            "namespace": "slotwright",
            "labels": {"strimzi.io/cluster": CLUSTER, "app.kubernetes.io/part-of": "slotwright"},
        },
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": acls},
        },
    }


def _acls(rules: Iterable[AclBinding]) -> list[Acl]:
    """One entry a resource, with all that may be done to it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for rule in rules:
        kind, pattern = ResourceType(rule.restype), ResourcePatternType(rule.resource_pattern_type)
        resource = _KINDS[kind], rule.name, _PATTERNS[pattern]
        found.setdefault(resource, []).append(_OPERATIONS[AclOperation(rule.operation)])
    return [_acl(kind, operations, name, pattern) for (kind, name, pattern), operations in found.items()]


def _operators() -> Iterable[Acl]:
    """What the operator does beside reading and writing: it makes topics, and the users of businesses."""
    yield from (_acl("topic", ["Create"], topic.name) for topic in ALL_TOPICS)
    everything = ["Create", "Delete", "Describe", "Alter", "DescribeConfigs", "AlterConfigs"]
    yield _acl("topic", everything, TENANT_TOPIC_PREFIX, "prefix")
    # SCRAM users and ACLs are the cluster's: whoever may alter them may give himself any right.
    yield _acl("cluster", ["Describe", "Alter"])


def _acl(kind: str, operations: list[str], name: str = "", pattern: str = "literal") -> Acl:
    resource = {"type": kind} | ({"name": name, "patternType": pattern} if name else {})
    return {"resource": resource, "operations": operations}
