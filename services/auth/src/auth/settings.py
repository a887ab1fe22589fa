"""auth's own settings."""

from datetime import timedelta

from pydantic import Field

from auth.domain import KeyTimes
from servicekit.sealing import SealingKey, key_bytes
from servicekit.settings import BehindGateway


class AuthSettings(BehindGateway):
    """Times are in seconds where the name does not say otherwise. Limits are tries within a window."""

    encryption_key: SealingKey = Field(description="base64url of 32 bytes; seals the signing keys at rest.")
    access_token_seconds: int = Field(
        default=600, ge=5, le=3600, description="How long an access token is good for."
    )
    refresh_token_days: int = Field(default=30, ge=1, description="A session unused for so long ends.")
    session_days: int = Field(default=90, ge=1, description="A session ends after this, used or not.")
    invitation_days: int = Field(default=7, ge=1, description="How long an invitation's link works.")
    reset_minutes: int = Field(default=60, ge=1, description="How long a link to reset a password works.")
    signing_key_days: int = Field(
        default=30, ge=1, description="How long one key signs access tokens, before the next one does."
    )
    signing_key_overlap_seconds: int = Field(
        default=900,
        ge=0,
        description="How long a new key is published before it signs, so that all services"
        " have fetched it by then.",
    )
    signup_minutes: int = Field(
        default=60,
        ge=1,
        description="How long a sign-up waits for its business to be made, before it is told as failed.",
    )

    attempt_window_seconds: int = Field(
        default=900,
        ge=1,
        description="How long tries are counted for the limits that follow; the first try begins the window.",
    )
    failed_logins_per_account: int = Field(
        default=10,
        ge=1,
        description="Failed sign-ins with one e-mail address in a window, whoever makes them;"
        " more are answered 429.",
    )
    failed_logins_per_address: int = Field(
        default=100,
        ge=1,
        description="Failed sign-ins from one client address (an IPv6 /64) in a window; more are answered 429.",
    )
    signups_per_address: int = Field(
        default=30, ge=1, description="Sign-ups from one client address in a window; more are answered 429."
    )
    resets_per_address: int = Field(
        default=30,
        ge=1,
        description="Password resets asked for from one client address in a window; more are answered 429.",
    )
    resets_per_account: int = Field(
        default=3,
        ge=1,
        description="Mails with a reset to one e-mail address in a window; more are not sent, and the answer is the"
        " same.",
    )
    invitations_per_business: int = Field(
        default=50,
        ge=1,
        description="Invitations that one business sends in a window; more are answered 429.",
    )
    mail_lease_seconds: int = Field(
        default=30,
        ge=1,
        description="After a crash, how long a mail that was being sent is left alone before it is sent again.",
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
