"""The ACLs of each part of the platform in Kafka, as they follow from the list of topics.

Created in a cluster by the operator (tenant_operator.streams), or by Strimzi from what devstack.strimzi writes; for
the local stack and the tests by devstack.kafka. `rule` also makes those of tenants' users (tenant_operator).
"""

from collections.abc import Iterable

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from contracts.topics import ALL_TOPICS, DEAD_LETTERS, TENANT_TOPIC_PREFIX, TENANT_TOPIC_WRITERS, Topic

OPERATOR = "operator"


def rule(
    principal: str, kind: ResourceType, name: str, pattern: ResourcePatternType, operation: AclOperation
) -> AclBinding:
    """Lets the user of that name do one thing, from any host."""
    return AclBinding(kind, name, pattern, f"User:{principal}", "*", operation, AclPermissionType.ALLOW)


def part_rules(
    part: str, topics: Iterable[Topic] = ALL_TOPICS, *, any_group: bool = False
) -> list[AclBinding]:
    """A part's rights: its topics, in consumer groups of its own name, or in any (tests run apart by a prefix)."""
    literal, prefixed = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED
    group = ("*", literal) if any_group else (f"{part}.", prefixed)
    rules = [rule(part, ResourceType.GROUP, *group, AclOperation.READ)]
    for topic in topics:
        if part in topic.publishers:
            rules.append(rule(part, ResourceType.TOPIC, topic.name, literal, AclOperation.WRITE))
        if part in topic.readers:
            rules.append(rule(part, ResourceType.TOPIC, topic.name, literal, AclOperation.READ))
    if part in TENANT_TOPIC_WRITERS:
        rules.append(rule(part, ResourceType.TOPIC, TENANT_TOPIC_PREFIX, prefixed, AclOperation.WRITE))
    if part == OPERATOR:
        rules += [item for item in _redriving(topics) if item not in rules]
    return rules


def _redriving(topics: Iterable[Topic]) -> Iterable[AclBinding]:
    """What putting dead letters back takes beside reading and marking them (servicekit.redrive): to write to what
    services read, and to see whether a compacted topic has something newer.
    """
    services = {part for topic in DEAD_LETTERS for part in topic.readers} - {OPERATOR}
    literal = ResourcePatternType.LITERAL
    for topic in topics:
        if topic in DEAD_LETTERS or not topic.readers & services:
            continue
        if topic.compacted:
            yield rule(OPERATOR, ResourceType.TOPIC, topic.name, literal, AclOperation.READ)
        yield rule(OPERATOR, ResourceType.TOPIC, topic.name, literal, AclOperation.WRITE)
