"""notification's own settings; those of webhooks are theirs, those of SMTP servicekit.mail's."""

from typing import Literal

from pydantic import Field, SecretStr, model_validator

from notification.webhooks.settings import WebhookSettings


class NotificationSettings(WebhookSettings):
    """`link_key` signs customers' manage links; booking holds the same one."""

    link_key: SecretStr = Field(
        min_length=32, description="The key that signs customers' links; booking needs the same one."
    )
    sms_provider: Literal["mock", "http"] = Field(
        default="mock", description="`mock` keeps text messages for a person to look at and sends none."
    )
    sms_url: str | None = Field(default=None, description="Where the HTTP provider takes a message, by POST.")
    sms_token: SecretStr | None = Field(default=None, description="The HTTP provider's bearer token.")
    send_timeout: float = Field(
        default=20,
        gt=0,
        description="How long one attempt to hand a message over may take; a text message by HTTP has nine tenths"
        " of it.",
    )
    lease_seconds: float = Field(
        default=60,
        gt=0,
        description="After a crash, how long a message that was being sent is left alone before it is sent again.",
    )
    give_up_seconds: float = Field(
        default=86_400,
        gt=0,
        description="How long after its event a notice is still tried; a reminder is tried until the appointment"
        " begins.",
    )
    wait_seconds: float = Field(
        default=3600,
        gt=0,
        description="How long a message waits for its customer or service to be known from other topics, before it"
        " fails.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "NotificationSettings":
        if self.sms_provider == "http" and (self.sms_url is None or self.sms_token is None):
            raise ValueError("SMS_PROVIDER=http needs SMS_URL and SMS_TOKEN")
        if self.lease_seconds <= self.send_timeout:
            raise ValueError("LEASE_SECONDS must be more than SEND_TIMEOUT, or two would send one message")
        return self
