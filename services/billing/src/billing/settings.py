"""billing's own settings."""

from pydantic import Field, SecretStr, field_validator

from servicekit.settings import Settings


class BillingSettings(Settings):
    """Without a key only tenants with billing.mode Manual are served; the others fail with that reason."""

    stripe_api_key: SecretStr | None = Field(
        default=None, description="Stripe's secret key. Without it, all tenants are billed by hand."
    )
    stripe_api_base: str | None = Field(
        default=None, description="The base URL of Stripe's API; Stripe's own when not set."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None,
        description="The secret with which Stripe signs its webhooks. Without it, none is accepted.",
    )
    resync_seconds: int = Field(
        default=3600,
        ge=1,
        description="How old the copy of a subscription may get before it is fetched from Stripe again.",
    )

    @field_validator("stripe_api_key", "stripe_api_base", "stripe_webhook_secret", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value
