"""A request that is granted, for every operation of the platform: what wrong ones are made of.

Used by test_bad_input.py. Each function fills in a whole body, since a fault can only be tried where a field is.
"""

# Each tells the registry of its own.
from integration.gateway.good_requests import (  # noqa: F401
    accounts,
    calendar,
    catalog,
    figures,
    messages,
    public,
    webhooks,
)
from integration.gateway.good_requests.registry import goods

__all__ = ["goods"]
