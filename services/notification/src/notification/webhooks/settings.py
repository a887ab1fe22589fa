"""The settings of webhooks, part of notification's; which addresses may be called is servicekit.outbound's."""

from pydantic import Field, model_validator

from servicekit.sealing import SealingKey
from servicekit.settings import Settings


class WebhookSettings(Settings):
    """How webhooks are sent."""

    webhook_key: SealingKey | None = Field(
        default=None,
        description="base64url of 32 bytes; seals endpoints' secrets at rest. Without it there are no webhooks.",
    )
    webhook_timeout: float = Field(
        default=15, gt=0, description="How long one attempt may take, from connecting to the whole answer."
    )
    webhook_lease_seconds: float = Field(
        default=60,
        gt=0,
        description="After a crash, how long a delivery that was under way is left alone before it is sent again.",
    )

    @model_validator(mode="after")
    def _leases_outlast_attempts(self) -> "WebhookSettings":
        if self.webhook_lease_seconds <= self.webhook_timeout:
            raise ValueError("WEBHOOK_LEASE_SECONDS must be more than WEBHOOK_TIMEOUT, or two would send one")
        return self
