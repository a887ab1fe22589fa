"""Secrets at rest: sealed by AES-256-GCM under one key, each bound to the name of what it belongs to.

Used by auth for the keys that sign tokens and by notification for the secrets that sign webhooks. A sealed secret
that was moved to another row does not open there.
"""

import base64
import binascii
import secrets
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import AfterValidator, SecretStr

from servicekit.errors import SlotwrightError

_NONCE_BYTES = 12


class WrongSeal(SlotwrightError):
    """It was sealed under another key or another name; trying again does not help."""


class Seal:
    """Seals and opens with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, name: str, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """Raises WrongSeal."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise WrongSeal(f"{name} was sealed with another key") from None


def key_bytes(key: SecretStr) -> bytes:
    """The 32 bytes of a SealingKey."""
    text = key.get_secret_value()
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _thirty_two_bytes(value: SecretStr) -> SecretStr:
    try:
        length = len(key_bytes(value))
    except (binascii.Error, ValueError):
        raise ValueError("must be base64url") from None
    if length != 32:
        raise ValueError(f"must be base64url of 32 bytes, not of {length}")
    return value


SealingKey = Annotated[SecretStr, AfterValidator(_thirty_two_bytes)]
"""A setting: base64url of 32 bytes."""
