"""What the operator counts. No tenant is a label."""

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter(
    "slotwright_operator_reconciles_total",
    "Passes over an object by their end: done, failed.",
    ("kind", "outcome"),
)
RECONCILE_SECONDS = Histogram(
    "slotwright_operator_reconcile_seconds", "Time of one pass over an object, actions included.", ("kind",)
)
ACTIONS = Counter("slotwright_operator_actions_total", "Actions done.", ("action",))
WRITES = Counter(
    "slotwright_operator_api_writes_total", "Requests that changed something at the API server.", ("what",)
)
LEADING = Gauge(
    "slotwright_operator_leading", "1 in the operator that holds the Lease, 0 in one that waits for it."
)
QUEUE = Gauge("slotwright_operator_queue_length", "Objects that wait to be reconciled.")
TENANTS = Gauge(
    "slotwright_operator_tenants",
    "Tenant objects by the status of each of their conditions.",
    ("condition", "status"),
)
ORPHANS = Gauge("slotwright_operator_orphan_records", "Published records whose Tenant object does not exist.")
SIGNUPS = Counter(
    "slotwright_operator_signups_total",
    "Sign-ups by what became of them: created, refused, malformed.",
    ("outcome",),
)
MALFORMED = Counter("slotwright_operator_malformed_total", "Messages that could not be read.", ("topic",))
