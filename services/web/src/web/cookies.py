"""What web keeps in the browser: the session, encrypted, and the value that its form tokens are bound to.

AES-256-GCM under keys derived from one secret (HKDF, RFC 5869), so that a session can be neither read nor made
elsewhere. Used by `web.sessions` and `web.csrf`.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class CookieBox:
    """Seals values for one purpose each: a value sealed as a session opens as nothing else."""

    def __init__(self, secret: str) -> None:
        if len(secret) < 32:
            raise ValueError("the cookie key must have at least 32 characters")
        self._cipher = AESGCM(_derive(secret, b"slotwright web cookies"))
        self._mac_key = _derive(secret, b"slotwright web form tokens")

    def seal(self, purpose: str, value: Any) -> str:
        """JSON, encrypted, in URL-safe base64."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(value).encode(), purpose.encode())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def unseal(self, purpose: str, text: str) -> Any | None:
        """The value; None for anything that this key did not seal for this purpose."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, binascii.Error, ValueError):
            return None
        return json.loads(plain)

    def mac(self, *parts: str) -> str:
        """A keyed digest of the parts, for form tokens."""
        return hmac.new(self._mac_key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
