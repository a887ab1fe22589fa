"""Signs webhooks as Standard Webhooks 1.0 asks: HMAC-SHA256 of `id.timestamp.body`, one signature a secret.

Pure; called by notification.webhooks.delivery and, for new secrets, by the service layer. Source:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"
_SECRET_BYTES = 32
"""The specification takes 24 to 64."""


def new_secret() -> bytes:
    return secrets.token_bytes(_SECRET_BYTES)


def written(secret: bytes) -> str:
    """The secret as it is shown to the owner: `whsec_` and base64."""
    return _PREFIX + base64.b64encode(secret).decode()


def signed_headers(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers. `timestamp` is the attempt's, in Unix seconds; the first key is the present one."""
    content = f"{webhook_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, content) for key in keys),
    }


def _signature(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
