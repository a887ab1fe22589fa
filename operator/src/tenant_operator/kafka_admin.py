"""What `streams` and `stream_requests` share: waiting for answers to admin requests, and failures in our words."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tenant_operator.errors import KafkaFailedError

SECONDS = 30.0
"""How long an answer is waited for."""
HOUR_MS = 3600 * 1000
GONE = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.RESOURCE_NOT_FOUND})
"""What an answer says of a topic or user that is not there (any more)."""
THERE = frozenset({KafkaError.TOPIC_ALREADY_EXISTS})


def settle(answers: Mapping[Any, "Future[Any]"], *, allow: frozenset[int] = frozenset()) -> dict[Any, Any]:
    """Waits for all answers; an error whose code is in `allow` counts as None. Raises KafkaFailedError."""
    return {key: _answer(answer, allow) for key, answer in answers.items()}


def failures(
    answers: Mapping[Any, "Future[Any]"], owners: Mapping[Any, str], *, allow: frozenset[int] = frozenset()
) -> dict[str, KafkaFailedError]:
    """Waits for all answers; those that failed, the first by the owner of their key."""
    found: dict[str, KafkaFailedError] = {}
    for key, answer in answers.items():
        try:
            _answer(answer, allow)
        except KafkaFailedError as error:
            found.setdefault(owners[key], error)
    return found


def failed(error: KafkaException) -> KafkaFailedError:
    """With librdkafka's or the broker's own words."""
    reason = error.args[0].str() if error.args else "no reason given"
    return KafkaFailedError(f"Kafka refused or is away: {reason.rstrip('.')}.")


def partitions_by_topic(admin: AdminClient) -> dict[str, int]:
    """Each topic that the brokers list, and its number of partitions. Raises KafkaFailedError."""
    try:
        return {
            name: len(item.partitions) for name, item in admin.list_topics(timeout=SECONDS).topics.items()
        }
    except KafkaException as error:
        raise failed(error) from error


def every_rule(principal: str | None) -> AclBindingFilter:
    """Every rule of a principal, or of all."""
    return AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type] # None is any name, as librdkafka has it; the annotation forgets it
        ResourcePatternType.ANY,
        principal,  # type: ignore[arg-type] # the same
        None,  # type: ignore[arg-type] # the same
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def exactly(binding: AclBinding) -> AclBindingFilter:
    """That one rule."""
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _answer(answer: "Future[Any]", allow: frozenset[int]) -> Any:
    try:
        return answer.result(SECONDS)
    except KafkaException as error:
        if error.args[0].code() not in allow:
            raise failed(error) from error
        return None
    except TimeoutError as error:
        raise KafkaFailedError(f"Kafka did not answer within {SECONDS:.0f} s.") from error
