"""auth's own settings."""

from datetime import timedelta

from pydantic import Field

from auth.domain import KeyTimes
from servicekit.sealing import SealingKey, key_bytes
from servicekit.settings import BehindGateway


class AuthSettings(BehindGateway):
    """Times are in seconds where the name does not say otherwise. Limits are tries within a window."""

    encryption_key: SealingKey = Field(description="base64url of 32 bytes; seals the signing keys at rest.")
    access_token_seconds: int = Field(default=600, ge=5, le=3600)
    refresh_token_days: int = Field(default=30, ge=1, description="A session unused for so long ends.")
    session_days: int = Field(default=90, ge=1, description="A session ends after this, used or not.")
    invitation_days: int = Field(default=7, ge=1)
    reset_minutes: int = Field(default=60, ge=1)
    signing_key_days: int = Field(default=30, ge=1, description="How long one key signs.")
    signing_key_overlap_seconds: int = Field(
        default=900, ge=0, description="How long a new key is published before it signs."
    )
    signup_minutes: int = Field(
        default=60, ge=1, description="A sign-up that has led to nothing by then failed."
    )

    attempt_window_seconds: int = Field(default=900, ge=1)
    failed_logins_per_account: int = Field(default=10, ge=1)
    failed_logins_per_address: int = Field(default=100, ge=1)
    signups_per_address: int = Field(default=30, ge=1)
    resets_per_address: int = Field(default=30, ge=1)
    resets_per_account: int = Field(default=3, ge=1)
    invitations_per_business: int = Field(default=50, ge=1)
    mail_lease_seconds: int = Field(
        default=30, ge=1, description="A mail whose sender died is tried again after this."
    )

    def sealing_key(self) -> bytes:
        """The encryption key's 32 bytes."""
        return key_bytes(self.encryption_key)

    def key_times(self) -> KeyTimes:
        """How signing keys follow each other."""
        return KeyTimes(
            rotation=timedelta(days=self.signing_key_days),
            overlap=timedelta(seconds=self.signing_key_overlap_seconds),
            linger=timedelta(seconds=self.access_token_seconds + 60),
        )
