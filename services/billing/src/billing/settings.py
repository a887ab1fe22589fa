"""billing's own settings."""

from pydantic import Field, SecretStr, field_validator

from servicekit.settings import Settings


class BillingSettings(Settings):
    """Without a key only tenants with billing.mode Manual are served; the others fail with that reason."""

    stripe_api_key: SecretStr | None = Field(
        default=None, description="Stripe's secret key; without it tenants are billed by hand alone."
    )
    stripe_api_base: str | None = Field(
        default=None, description="Where Stripe's API is; Stripe's own when not set."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None, description="Signs webhooks; without it none is accepted."
    )
    resync_seconds: int = Field(
        default=3600, ge=1, description="How old a subscription may get before it is fetched again."
    )

    @field_validator("stripe_api_key", "stripe_api_base", "stripe_webhook_secret", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value
