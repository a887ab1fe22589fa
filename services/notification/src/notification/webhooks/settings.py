"""The settings of webhooks; which addresses may be called is servicekit.outbound's."""

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicekit.sealing import SealingKey


class WebhookSettings(BaseSettings):
    """How webhooks are sent."""

    model_config = SettingsConfigDict(env_prefix="SLOTWRIGHT_WEBHOOK_", extra="ignore", frozen=True)

    key: SealingKey | None = Field(
        default=None,
        description="base64url of 32 bytes; seals endpoints' secrets at rest. Without it there are no webhooks.",
    )
    timeout: float = Field(default=15, gt=0, description="Seconds for one attempt.")
    lease_seconds: float = Field(
        default=60, gt=0, description="After a crash, how long a delivery that was claimed is left alone."
    )

    @model_validator(mode="after")
    def _complete(self) -> "WebhookSettings":
        if self.lease_seconds <= self.timeout:
            raise ValueError(
                "WEBHOOK_LEASE_SECONDS must be more than WEBHOOK_TIMEOUT, or two would send one delivery"
            )
        return self
