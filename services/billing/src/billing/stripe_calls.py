"""What billing's calls at Stripe have in common: what went wrong in two kinds, and their idempotency keys.

Called by stripe_api alone.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import stripe

from billing.errors import StripeRefused, StripeUnavailable


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Raises StripeUnavailable or StripeRefused in place of Stripe's and the network's errors."""
    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise StripeUnavailable(type(error).__name__) from error
    except stripe.StripeError as error:
        status = error.http_status or 0
        told: StripeUnavailable | StripeRefused
        if status >= 500 or status == 409:
            told = StripeUnavailable(f"{type(error).__name__} {status}")
        else:
            told = StripeRefused(error.user_message or type(error).__name__, error.code)
            told.ours = isinstance(error, stripe.AuthenticationError | stripe.PermissionError)
        told.kept = status >= 400 and status != 409  # which says that the first call goes on
        told.replayed = _replayed(error)
        raise told from error
    except (aiohttp.ClientError, TimeoutError) as error:  # while the answer's body was read
        raise StripeUnavailable(type(error).__name__) from error


def _replayed(error: stripe.StripeError) -> bool:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"


def idempotency_key(attempt: int, *parts: str) -> str:
    """An idempotency key of at most 255 characters; the same attempt and parts give the same key."""
    if attempt:  # the first has the key that releases before this one gave it
        parts = (*parts, f"attempt {attempt}")
    return f"slotwright:{parts[0]}:{hashlib.sha256('|'.join(parts).encode()).hexdigest()}"
