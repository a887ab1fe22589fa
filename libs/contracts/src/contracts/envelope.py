"""CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, JSON data in the value.

Used by the outbox relay and the consumer loop of servicekit and by the operator. Source: CloudEvents 1.0.2,
Kafka Protocol Binding §3.2. The tenant travels as the extension attribute `tenantid`, the W3C trace context
as the header `traceparent`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from contracts.model import Event
from contracts.registry import UnknownEventError, model_for

CONTENT_TYPE = "application/json"
_REQUIRED = ("ce_specversion", "ce_id", "ce_source", "ce_type")
_LONGEST_ID = 255
"""An id is a key of its reader's inbox; ours have 36 characters."""


class MalformedEventError(ValueError):
    """The message is no CloudEvent that this code can read; retrying does not help."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event as it stands on a topic. `data` is None for a tombstone."""

    id: str
    source: str
    type: str
    time: datetime
    subject: str
    tenant_id: UUID | None
    data: bytes | None
    traceparent: str | None = None

    def headers(self) -> dict[str, str]:
        """The Kafka headers, in binary mode."""
        headers = {
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.type,
            "ce_time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "ce_subject": self.subject,
        }
        if self.data is not None:
            headers["content-type"] = CONTENT_TYPE
        if self.tenant_id is not None:
            headers["ce_tenantid"] = str(self.tenant_id)
        if self.traceparent:
            headers["traceparent"] = self.traceparent
        return headers

    def event(self) -> Event:
        """The data as its model.

        Raises MalformedEventError when there is none, the type is unknown, a field is missing or wrong, or the data
        is about another tenant than the header says: readers take their rights from the header.
        """
        if self.data is None:
            raise MalformedEventError(f"event {self.id} of type {self.type} is a tombstone and has no data")
        try:
            event = model_for(self.type).model_validate_json(self.data)
        except UnknownEventError as error:
            raise MalformedEventError(str(error)) from error
        except ValueError as error:  # pydantic's ValidationError; its text quotes no input values
            raise MalformedEventError(f"event {self.id} of type {self.type}: {_describe(error)}") from error
        if self.tenant_id != getattr(event, "tenant_id", None):
            raise MalformedEventError(f"event {self.id}: ce_tenantid is not the tenant of the data")
        return event


def _describe(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'data'}: {item['msg']}"
        for item in errors(include_input=False, include_url=False, include_context=False)
    )


def parse_headers(
    headers: Mapping[str, bytes] | Iterable[tuple[str, bytes]] | None, data: bytes | None
) -> Envelope:
    """Reads the envelope back from a message's headers and value.

    Raises MalformedEventError naming the header that is missing or wrong.
    """
    raw = dict(headers or ())
    try:
        text = {name: value.decode() for name, value in raw.items() if value is not None}
    except UnicodeDecodeError as error:
        raise MalformedEventError("a header is not UTF-8") from error
    for name in _REQUIRED:
        if not text.get(name):
            raise MalformedEventError(f"header {name} is missing")
    if len(text["ce_id"]) > _LONGEST_ID or "\0" in text["ce_id"]:
        raise MalformedEventError(f"ce_id must have {_LONGEST_ID} characters at most, and no NUL")
    if text["ce_specversion"] != "1.0":
        raise MalformedEventError(f"CloudEvents version {text['ce_specversion']!r} is not 1.0")
    try:
        time = datetime.fromisoformat(text["ce_time"]) if "ce_time" in text else datetime.now(UTC)
        tenant = UUID(text["ce_tenantid"]) if "ce_tenantid" in text else None
    except ValueError as error:
        raise MalformedEventError(f"ce_time or ce_tenantid: {error}") from error
    if time.tzinfo is None:
        raise MalformedEventError("ce_time has no offset")
    return Envelope(
        id=text["ce_id"],
        source=text["ce_source"],
        type=text["ce_type"],
        time=time,
        subject=text.get("ce_subject", ""),
        tenant_id=tenant,
        data=data,
        traceparent=text.get("traceparent"),
    )
