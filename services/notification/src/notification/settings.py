"""notification's own settings; those of webhooks are theirs, those of SMTP servicekit.mail's."""

from typing import Literal

from pydantic import Field, SecretStr, model_validator

from notification.webhooks.settings import WebhookSettings


class NotificationSettings(WebhookSettings):
    """`link_key` signs customers' manage links; booking holds the same one."""

    link_key: SecretStr = Field(min_length=32, description="Signs customers' links; booking needs the same.")
    sms_provider: Literal["mock", "http"] = Field(
        default="mock", description="`mock` keeps text messages for a person to look at and sends none."
    )
    sms_url: str | None = Field(default=None, description="Where the HTTP provider takes a message, by POST.")
    sms_token: SecretStr | None = Field(default=None, description="The HTTP provider's bearer token.")
    send_timeout: float = Field(
        default=20, gt=0, description="For one attempt; a text message by HTTP has nine tenths."
    )
    lease_seconds: float = Field(
        default=60, gt=0, description="After a crash, how long a message that was claimed is left alone."
    )
    give_up_seconds: float = Field(
        default=86_400, gt=0, description="How long a notice is news; a reminder is tried until the start."
    )
    wait_seconds: float = Field(
        default=3600, gt=0, description="How long a message waits for what other topics have still to tell."
    )

    @model_validator(mode="after")
    def _complete(self) -> "NotificationSettings":
        if self.sms_provider == "http" and (self.sms_url is None or self.sms_token is None):
            raise ValueError("SMS_PROVIDER=http needs SMS_URL and SMS_TOKEN")
        if self.lease_seconds <= self.send_timeout:
            raise ValueError("LEASE_SECONDS must be more than SEND_TIMEOUT, or two would send one message")
        return self
