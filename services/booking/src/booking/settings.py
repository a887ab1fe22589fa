"""booking's own settings."""

from pydantic import Field, SecretStr

from servicekit.settings import BehindGateway


class BookingSettings(BehindGateway):
    """`link_key` signs customers' manage links; notification holds the same one. It is also what clients' addresses
    are digested with (booking.clients).
    """

    link_key: SecretStr = Field(
        min_length=32, description="The key that signs customers' links; notification needs the same one."
    )
    hold_seconds: int = Field(default=300, ge=10, le=3600, description="How long a hold keeps a slot.")
    holds_per_address: int = Field(
        default=10, ge=1, description="How many slots of one business one client address can hold at a time."
    )
    waitlist_per_address: int = Field(
        default=10,
        ge=1,
        description="How many places on the waitlist of one business one client address can have at a time.",
    )
    offer_seconds: int = Field(
        default=900,
        ge=10,
        le=86_400,
        description="How long a time offered to the waitlist is kept for an answer.",
    )
