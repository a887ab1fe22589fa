"""The Prometheus metrics that all services share; each service adds its own beside them.

Names follow Prometheus' conventions (base units, `_total`). Labels are bounded: routes are templates, never
paths, and no tenant is a label.
"""

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

HTTP_REQUESTS = Counter("slotwright_http_requests_total", "Answered requests.", ("method", "route", "status"))
HTTP_SECONDS = Histogram(
    "slotwright_http_request_seconds", "Time to the answer's end.", ("method", "route"), buckets=_LATENCY
)
EVENTS_HANDLED = Counter(
    "slotwright_consumer_events_total",
    "Events by what became of them: handled, duplicate, skipped, gone (its tenant is), dead.",
    ("consumer", "outcome"),
)
EVENT_RETRIES = Counter(
    "slotwright_consumer_retries_total", "Failed attempts that were tried again.", ("consumer",)
)
CONSUMER_LAG = Gauge(
    "slotwright_consumer_lag", "Messages behind the end of the partition.", ("consumer", "topic", "partition")
)
CONSUMER_READS = Gauge(
    "slotwright_consumer_reads",
    "1 while the brokers answer a consumer that is a member of its group, 0 while it reads nothing.",
    ("consumer",),
)
OUTBOX_RELAYED = Counter("slotwright_outbox_relayed_total", "Events acknowledged by Kafka.", ("topic",))
OUTBOX_FAILED = Counter("slotwright_outbox_failures_total", "Events that Kafka refused, to be sent again.")
OUTBOX_DROPPED = Counter(
    "slotwright_outbox_dropped_total", "Events for a tenant's own stream that it does not have any more."
)
OUTBOX_AGE = Gauge(
    "slotwright_outbox_oldest_seconds",
    "Age of the oldest event not yet relayed; 0 in a process that relays none.",
)
OUTBOX_HELD = Gauge(
    "slotwright_outbox_held_ratio",
    "Share of the outbox that this process relays; those of all a service's processes make 1.",
)
