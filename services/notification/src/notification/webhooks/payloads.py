"""The body of a webhook: `{type, timestamp, data}`, as Standard Webhooks recommends.

`data` is the event as its topic carries it (docs/events): ids and times, nothing personal. The text is made once,
when the delivery is queued, so that every attempt signs and sends the same bytes. Called by the consumer, and by
the service layer for tests that an owner asks for.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def payload(event_type: str, timestamp: datetime, data: Mapping[str, Any]) -> str:
    """The body; `timestamp` is when it happened, and `data` is JSON already."""
    at = timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")
    told = {"type": str(event_type), "timestamp": at, "data": data}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)
