"""The gateway's metrics beside those that all services share. Routes are the routing table's paths."""

from prometheus_client import Counter, Gauge, Histogram

UPSTREAM_REQUESTS = Counter(
    "slotwright_gateway_upstream_requests_total",
    "Requests passed on, by the upstream's status, or by why there was none: unreachable, broken, timeout.",
    ("upstream", "route", "status"),
)
UPSTREAM_SECONDS = Histogram(
    "slotwright_gateway_upstream_seconds",
    "Time to the upstream's headers.",
    ("upstream",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
UPSTREAM_CUT = Counter(
    "slotwright_gateway_upstream_cut_total",
    "Answers that an upstream broke off in the middle.",
    ("upstream",),
)
LIMITED = Counter("slotwright_gateway_limited_total", "Requests refused by a rate limit.", ("policy",))
TOKEN_CHECKS = Counter("slotwright_gateway_token_checks_total", "Token checks by outcome.", ("outcome",))
TENANTS = Gauge("slotwright_gateway_tenants", "Tenants in the directory.")
