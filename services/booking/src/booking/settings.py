"""booking's own settings."""

from pydantic import Field, SecretStr

from servicekit.settings import Settings


class BookingSettings(Settings):
    """`link_key` signs customers' manage links; notification holds the same one."""

    link_key: SecretStr = Field(min_length=32)
    hold_seconds: int = Field(default=300, ge=10, le=3600, description="How long a hold keeps a slot.")
    offer_seconds: int = Field(
        default=900,
        ge=10,
        le=86_400,
        description="How long a time offered to the waitlist is kept for an answer.",
    )
